"""Class vectors that a user brings in place of a text tower: tables, rows, files, and what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from benchbed.errors import UsageError
from benchbed.vocabulary import Vocabulary
from methods.spnet import METHOD
from methods.spnet.model import build

TINY = METHOD.variant("tiny")
assert TINY is not None
CONFIG: dict[str, Any] = dict(TINY.config)


def test_a_table_of_names_replaces_the_text_tower() -> None:
    torch.manual_seed(0)
    table = {"cat": torch.randn(10), "potted plant": torch.randn(10), "tv": torch.randn(10)}
    spnet = build(**CONFIG, embeddings=table)
    assert spnet.text is None
    assert spnet.aspp.branches[0].out_channels == 10
    vocabulary = Vocabulary(("tvmonitor", "Potted_Plant", "cat"), (True,) * 3, ("tv", "pot", "cat"))
    found = spnet.encode_vocabulary(vocabulary).embeddings
    for row, name in zip(found, ("tv", "potted plant", "cat"), strict=True):
        torch.testing.assert_close(row, table[name] / table[name].norm())


def test_rows_without_names_follow_the_vocabulary() -> None:
    rows = torch.randn(3, 10)
    spnet = build(**CONFIG, embeddings=rows)
    found = spnet.encode_vocabulary(Vocabulary(("a", "b", "c"), (True,) * 3)).embeddings
    torch.testing.assert_close(found, rows / rows.norm(dim=1, keepdim=True))
    with pytest.raises(UsageError, match="3 rows without names, the vocabulary 2 classes"):
        spnet.encode_vocabulary(Vocabulary(("a", "b"), (True,) * 2))


def test_a_table_may_lie_in_a_file(tmp_path: Path) -> None:
    save_file({"cat": torch.ones(10), "dog": torch.arange(10.0)}, tmp_path / "vectors.safetensors")
    spnet = build(**CONFIG, embeddings=str(tmp_path / "vectors.safetensors"))
    found = spnet.encode_vocabulary(Vocabulary(("dog",), (True,))).embeddings
    torch.testing.assert_close(found, torch.arange(10.0)[None] / torch.arange(10.0).norm())
    with pytest.raises(UsageError, match="no vector for 'horse'"):
        spnet.encode_vocabulary(Vocabulary(("horse",), (True,)))


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ({"a": torch.ones(3), "b": torch.ones(4)}, "one vector"),
        ({}, "one vector"),
        ({"a": torch.ones(3), "b": torch.zeros(3)}, "row 1 is zero or not finite"),
        (torch.full((2, 3), float("nan")), "row 0 is zero or not finite"),
        (torch.ones(3), "floats"),
        (torch.ones(2, 3, dtype=torch.int64), "floats"),
    ],
)
def test_vectors_that_are_none(embeddings: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(**CONFIG, embeddings=embeddings)
