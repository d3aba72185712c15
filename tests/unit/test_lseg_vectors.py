"""LSeg with class vectors that a user brings in place of the text tower: building, training, loading."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pixel_lessons import ALL, changed, copied, taught
from scene_lessons import SEEN
from torch import Tensor

from benchbed.errors import CheckpointError, UsageError
from benchbed.images import ImageBatch
from methods.lseg import METHOD
from methods.lseg.checkpoint import load
from methods.lseg.model import LSeg, build
from methods.lseg.recipe import recipe

TINY: dict[str, Any] = dict(METHOD.default_variant(embedded=True).config)
TOLD_BY_HAND = {"short_side": 128, "longest_side": 256}


def table(dim: int = 12) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(dim, generator=generator) for name in ALL.names}


def lseg() -> LSeg:
    torch.manual_seed(0)
    segmenter: LSeg = build(**TINY, embeddings=table())
    return segmenter


def test_vectors_replace_the_text_tower() -> None:
    segmenter = lseg()
    assert segmenter.text is None
    assert segmenter.decoder.head.out_channels == 12
    assert not [name for name in segmenter.state_dict() if name.startswith("text.")]
    found = segmenter.text_for(ALL).embeddings
    for row, name in zip(found, ALL.names, strict=True):
        torch.testing.assert_close(row, table()[name] / table()[name].norm())


def test_a_class_without_a_vector_is_named() -> None:
    segmenter: LSeg = build(**TINY, embeddings={"cat": torch.ones(4)})
    with pytest.raises(UsageError, match=ALL.names[0]):
        segmenter.text_for(ALL)


def test_it_trains_against_them_and_they_stay() -> None:
    segmenter = lseg().train().begin_stage("pixels")
    before = copied(segmenter)
    totals = taught(segmenter, recipe("tiny", "shapes").stages[-1], 6)
    assert totals[-1] < 0.9 * totals[0], totals
    assert "words.vectors" not in changed(before, segmenter)
    assert not segmenter.trains_text
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), segmenter.input_spec)
    assert segmenter.eval().segment(images, segmenter.text_for(ALL)).logits.shape[1] == 20


def test_a_checkpoint_of_it_loads_with_the_vectors_or_its_own_named_ones() -> None:
    source = lseg().eval()
    tensors = source.state_dict()
    given = load(tensors, embeddings=table(), **TOLD_BY_HAND).eval()
    kept = load(tensors, **TOLD_BY_HAND).eval()
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), source.input_spec)
    with torch.no_grad():
        expected, *found = (
            each.segment(images, each.text_for(SEEN)).logits for each in (source, given, kept)
        )
    assert all(torch.equal(expected, each) for each in found)
    nameless = {name: tensor for name, tensor in tensors.items() if name != "words.names"}
    with pytest.raises(CheckpointError, match="embeddings="):
        load(nameless, **TOLD_BY_HAND)
    with pytest.raises(CheckpointError, match="have 12 numbers, the given class vectors 7"):
        load(tensors, embeddings=table(7), **TOLD_BY_HAND)


def test_vectors_replace_a_files_own_text_tower() -> None:
    torch.manual_seed(0)
    source: LSeg = build(**TINY)
    loaded = load(source.state_dict(), embeddings=table(64), **TOLD_BY_HAND)
    assert loaded.text is None
    assert loaded.conversion is not None
    assert {name for name in source.state_dict() if name.startswith("text.")} == set(
        loaded.conversion.ignored
    )
