"""Label-set trials on methods whose answer is known: one that knows names, one that knows places only, one that breaks."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchbed.claims import label_sets, reading
from benchbed.errors import UsageError
from benchbed.registry import choose
from benchbed.vocabulary import Vocabulary


class ByName:
    """Stands for `Inference`: the label of the name that comes first in the alphabet."""

    def __init__(self, segmenter: object, vocabulary: Vocabulary, device: object) -> None:
        self.names = vocabulary.names

    def labels(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.full(image.shape[:2], self.names.index(min(self.names)))


class ByPlace(ByName):
    """The first class, whatever its name."""

    def labels(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.zeros(image.shape[:2], dtype=torch.long)


class Fixed(ByName):
    """A head of three classes."""

    def labels(self, image: NDArray[np.uint8]) -> Tensor:
        if len(self.names) != 3:
            raise ValueError(f"expected 3 classes, found {len(self.names)}")
        return super().labels(image)


def trial(monkeypatch: pytest.MonkeyPatch, kind: Any, lengths: tuple[int, ...]) -> Any:
    monkeypatch.setattr(label_sets, "Inference", kind)
    return label_sets.try_label_sets("maskclip/tiny", "cpu", lengths, (32, 48))


def test_a_method_that_knows_names_keeps_every_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial(monkeypatch, ByName, (1, 20, 300))
    assert set(found.kept) == {1.0}
    assert found.distinct == (1, 1, 1)
    assert len(found.kept) == 3 * label_sets.ORDERS
    assert found.failed == ()


def test_a_method_that_knows_places_alone_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial(monkeypatch, ByPlace, (20,))
    # Shuffling twenty names leaves the first in its place once in twenty times; the orders are fixed.
    assert set(found.kept) == {0.0}


def test_a_head_of_one_length_fails_at_the_others_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial(monkeypatch, Fixed, (1, 3, 20))
    assert set(found.kept) == {1.0}
    assert [each.partition(":")[0] for each in found.failed] == ["1 classes", "20 classes"]


def test_names_are_all_different_however_many() -> None:
    assert len(set(label_sets._names(400, choose("lseg")))) == 400


def test_the_real_one_on_a_small_photo() -> None:
    """With names that its small CLIP knows: all other words are one word to it, and classes of one feature tie."""
    found = label_sets.try_label_sets("lseg/tiny", "cpu", (1, 5), (64, 96))
    assert min(found.kept) > 0.999
    assert found.failed == ()


class TestEntryPoints:
    """Claims of other distributions."""

    def point(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        points = [EntryPoint("theirs", value, reading.GROUP)]
        monkeypatch.setattr(reading, "entry_points", lambda group: points if group == reading.GROUP else [])

    def test_their_files_are_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "their_claims"
        package.mkdir()
        (package / "__init__.py").write_text("")
        shipped = Path(reading.__file__).parents[1] / "data" / "claims" / "san.toml"
        (package / "theirs.toml").write_text(shipped.read_text().replace('name = "san-', 'name = "their-'))
        monkeypatch.syspath_prepend(tmp_path)
        self.point(monkeypatch, "their_claims")
        assert {"their-params", "san-params"} <= {claim.name for claim in reading.shipped_claims()}
        sys.modules.pop("their_claims")

    def test_a_package_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.point(monkeypatch, "no_such_package_here")
        with pytest.raises(UsageError, match="claims of theirs: no_such_package_here cannot be imported"):
            reading.shipped_claims()
