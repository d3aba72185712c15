"""Golden cases: what the official code made of small weights and images (shared/golden/METHOD/CASE), and the checks all share."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed import load_method
from benchbed.checkpoints import Conversion, read_tensors
from benchbed.images import ImageBatch, prepare
from benchbed.scores import label_maps
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.vocabulary import Vocabulary

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
TOLERANCE = 1e-4  # largest difference over the largest expected magnitude


def cases(method: str) -> list[str]:
    """Names of a method's cases, by its folder's spelling; none where `shared` is absent."""
    return sorted(path.name for path in (GOLDEN / method).glob("*") if path.is_dir())


def needs_golden(method: str) -> pytest.MarkDecorator:
    """Skips where a method has no cases, naming the folder."""
    reason = f"no golden cases: {GOLDEN / method} is not on this machine"
    return pytest.mark.skipif(not cases(method), reason=reason)


@dataclass(frozen=True)
class Case(ABC):
    """One folder: official weights, images, and what the official code made of them. Subclasses name the method.

    Attributes:
        name: of the folder.
        config: sizes and choices of the official run.
        inputs: images, images as resized, class names.
        expected: the official arrays.
    """

    name: str
    config: dict[str, Any]
    inputs: dict[str, NDArray[Any]]
    expected: dict[str, NDArray[Any]]

    method: ClassVar[str]

    @classmethod
    @cache
    def read(cls, name: str) -> Self:
        """The case of this name, read once a session."""
        folder = GOLDEN / cls.method / name
        return cls(
            name,
            json.loads((folder / "config.json").read_text()),
            dict(np.load(folder / "input.npz")),
            dict(np.load(folder / "expected.npz")),
        )

    @property
    def folder(self) -> Path:
        return GOLDEN / self.method / self.name

    @property
    @abstractmethod
    def keywords(self) -> dict[str, Any]:
        """What the loader must be told."""

    @property
    def images(self) -> int:
        return sum(re.fullmatch(r"image\d+", name) is not None for name in self.inputs)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.inputs["classes"])

    @property
    def vocabulary(self) -> Vocabulary:
        """All seen, where seen or not makes no difference."""
        return Vocabulary(self.class_names, (True,) * len(self.class_names))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The official state dict."""
        return read_tensors(self.folder / "state_dict.pth")

    @property
    def official_keys(self) -> list[tuple[str, str]]:
        """Name and shape of each official tensor, as the case lists them."""
        lines = (self.folder / "keys.txt").read_text().splitlines()
        return [(line.split("\t")[0], line.split("\t")[1]) for line in lines]

    def load(self, **changes: Any) -> Segmenter:
        """Through the entry point, as a user would."""
        path = self.folder / "state_dict.pth"
        keywords = {**self.keywords, **changes}
        segmenter: Segmenter = load_method(self.method.lower(), checkpoint=path, **keywords)
        return segmenter

    def batch(self, segmenter: Segmenter, index: int) -> ImageBatch:
        """An image through our preprocessing, which must give the official resized pixels to the bit."""
        batch = prepare([self.inputs[f"image{index}"]], segmenter.input_spec, originals=self.original(index))
        resized = self.inputs[f"resized{index}"]
        assert np.array_equal(batch.pixels[0].numpy().transpose(1, 2, 0), resized)
        return batch

    def original(self, index: int) -> list[tuple[int, int]] | None:
        """The size of an image that the case feeds as it is; None for one that is resized."""
        return None


def check_arrays(case: Case, found: Mapping[str, Tensor], ledger: ParityLedger) -> None:
    """Every array of `expected.npz` has one of ours, of its shape and within the tolerance."""
    ledger.compare(case.method, case.name, found, case.expected, TOLERANCE)


def check_labels(
    case: Case, segmenter: Segmenter, batch: ImageBatch, text: TextFeatures, array: str, ledger: ParityLedger
) -> None:
    """Our label map of one image is the argmax of the official scores, but for ties of float rounding."""
    (labels,) = label_maps(segmenter.segment(batch, text))
    ledger.compare_labels(case.method, case.name, array, labels, case.expected[array], TOLERANCE)


def check_class_maps(case: Case, segmenter: Segmenter, ledger: ParityLedger) -> None:
    """`check_labels` of every image, against `sem_seg0`, `sem_seg1`, ..."""
    text = segmenter.encode_vocabulary(case.vocabulary)
    for index in range(case.images):
        check_labels(case, segmenter, case.batch(segmenter, index), text, f"sem_seg{index}", ledger)


def check_conversion(case: Case, conversion: Conversion | None, ignored: Iterable[str]) -> None:
    """Every official tensor is used, but for these, which are ignored; none is both."""
    assert conversion is not None
    assert {name for name, _ in case.official_keys} == set(conversion.used) | set(conversion.ignored)
    assert not set(conversion.used) & set(conversion.ignored)
    assert set(conversion.ignored) == set(ignored)


def check_same_weights(one: Segmenter, other: Segmenter) -> None:
    """Two segmenters hold the same tensors to the bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not ours[key].equal(theirs[key])] == []
