"""DeOP against its description written out plainly (deop_plain.py), on seeded random weights in the official key format."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deop_plain import (
    Plain,
    anchor_features,
    class_logits,
    clip_features,
    score_maps,
    severed_attention,
    text_features,
)
from deop_small import SMALL, random_state
from torch import Tensor

from benchbed.images import prepare
from benchbed.scores import full_scores
from benchbed.vocabulary import Vocabulary
from methods.deop.checkpoint import load
from methods.deop.clip_pass import severed_block, token_cover
from methods.deop.model import DeOP

TOLERANCE = 1e-4
SEEDS = (0, 1, 2)
NAMES = ("cat", "potted plant", "sky, other", "traffic light at a crossing in the rain")


@pytest.fixture(params=SEEDS)
def pair(request: pytest.FixtureRequest) -> tuple[DeOP, Plain]:
    state = random_state(request.param)
    deop = load(state, layers_mask_guided=SMALL.severed, short_side=64, longest_side=200).eval()
    assert deop.size == SMALL
    return deop, Plain(state, SMALL.severed, SMALL.clip.width // 64, SMALL.heatmap_heads)


def photo(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def close(ours: Tensor, plain: Tensor) -> bool:
    assert ours.shape == plain.shape
    return bool((ours - plain).abs().max() <= TOLERANCE * plain.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("size", [(70, 91), (96, 96), (150, 61)])
def test_one_pass_is_the_plain_one(pair: tuple[DeOP, Plain], size: tuple[int, int]) -> None:
    deop, plain = pair
    batch = prepare([photo(1, *size)], deop.input_spec)
    text = deop.encode_vocabulary(Vocabulary(NAMES, (True,) * len(NAMES)))
    scores = deop.segment(batch, text)
    masks, geometry = scores.mask_logits[0], batch.geometry[0]
    features = clip_features(plain, batch.tensor[0], masks)
    assert close(deop.visual(batch.tensor, scores.mask_logits)[0], features)
    anchors = anchor_features(plain, features, masks)
    logits = class_logits(plain, anchors, text_features(plain, list(NAMES)))
    assert close(scores.class_scores[0], logits.softmax(-1)[:, :-1])
    maps = score_maps(logits, masks, geometry.padded, geometry.valid)
    at_network_size = replace(scores, geometry=(replace(geometry, original=geometry.valid),))
    assert close(full_scores(at_network_size, 0), maps)


@torch.no_grad()
def test_learned_prompts_are_the_plain_ones(pair: tuple[DeOP, Plain]) -> None:
    deop, plain = pair
    ours = deop.encode_vocabulary(Vocabulary(NAMES, (True,) * len(NAMES))).embeddings
    assert close(ours, text_features(plain, list(NAMES)))
    spread = ours @ ours.T
    assert spread[0, 1] < 0.999, "names must matter for this test to mean anything"


@torch.no_grad()
@pytest.mark.parametrize("grid", [(4, 4), (2, 6), (5, 3)])
def test_severance_is_the_sum_over_all_proposals(pair: tuple[DeOP, Plain], grid: tuple[int, int]) -> None:
    """100 proposals, one einsum over them all, CLS included, against one factor a token."""
    deop, plain = pair
    torch.manual_seed(5)
    tokens = torch.randn(2, 1 + grid[0] * grid[1], SMALL.clip.width)
    masks = 3 * torch.randn(2, 100, 4 * grid[0], 4 * grid[1])
    ours = severed_block(deop.visual.transformer.resblocks[3], tokens, token_cover(masks, grid))
    block = "clip_adapter.clip_model.visual.transformer.resblocks.3"
    for x, mask, mine in zip(tokens, masks, ours, strict=True):
        y = x + severed_attention(plain, plain.norm(x, f"{block}.ln_1"), mask, grid, block)
        y = y + plain.mlp(plain.norm(y, f"{block}.ln_2"), block)
        assert close(mine, y)


@torch.no_grad()
@pytest.mark.parametrize("severed", [(1, 3), (2, 3), (3,), ()])
def test_any_blocks_may_be_severed_and_placed(severed: tuple[int, ...]) -> None:
    """CLS may be dropped only once nothing attends any more; learned positions then lose its row."""
    state = random_state(7, replace(SMALL, severed=severed, position_layers=(0, 2, 3)))
    deop = load(state, layers_mask_guided=severed, short_side=64).eval()
    plain = Plain(state, severed, SMALL.clip.width // 64, SMALL.heatmap_heads)
    batch = prepare([photo(2, 64, 90)], deop.input_spec)
    masks = torch.randn(1, 12, batch.tensor.shape[2] // 4, batch.tensor.shape[3] // 4)
    assert close(deop.visual(batch.tensor, masks)[0], clip_features(plain, batch.tensor[0], masks[0]))
