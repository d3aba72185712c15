"""Crops through CLIP: the same embeddings as open_clip's own forward pass, in any number at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.clip import ImageTower
from benchbed.clip_sizes import TINY
from methods.parts.crop_classifier import cls_only, encode_crops


@pytest.fixture(scope="module")
def tower() -> ImageTower:
    torch.manual_seed(0)
    tower: ImageTower = ImageTower(TINY).eval()
    return tower


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return torch.randn(7, 3, TINY.image_size, TINY.image_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("chunk", [None, 1, 3, 7, 100])
@pytest.mark.parametrize("whole", [True, False])
@torch.no_grad()
def test_embeddings_are_open_clips(tower: ImageTower, crops: Tensor, chunk: int | None, whole: bool) -> None:
    expected = F.normalize(tower(crops), dim=-1)
    torch.testing.assert_close(encode_crops(tower, crops, chunk, whole), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_cls_alone_is_the_blocks_first_token(tower: ImageTower) -> None:
    tokens = torch.randn(4, 65, TINY.width)
    block = tower.transformer.resblocks[-1]
    torch.testing.assert_close(cls_only(block, tokens), block(tokens)[:, 0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_no_crops_give_no_embeddings(tower: ImageTower, crops: Tensor) -> None:
    assert encode_crops(tower, crops[:0]).shape == (0, TINY.embed_dim)


@torch.no_grad()
def test_half_precision_by_autocast_and_by_weights(tower: ImageTower, crops: Tensor) -> None:
    expected = encode_crops(tower, crops)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        by_autocast = encode_crops(tower, crops)
    by_weights = encode_crops(ImageTower(TINY).bfloat16(), crops)
    assert by_weights.dtype == torch.bfloat16
    assert F.cosine_similarity(by_autocast.float(), expected).min() > 0.999


def test_a_chunk_must_be_positive(tower: ImageTower, crops: Tensor) -> None:
    with pytest.raises(ValueError, match="chunk is 0 crops"):
        encode_crops(tower, crops, 0)
