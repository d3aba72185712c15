"""SimSeg's crops, empty proposals and fusion against plain references that share no code with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.scores import MaskScores, full_scores
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.simseg.crops import boxes, proposal_crops
from methods.simseg.fusion import fuse
from methods.simseg.model import SimSeg, build
from methods.simseg.sizes import TINY_SIZE

# OpenAI's CLIP preprocessing, by its README.
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
SIDE = 32
SEEDS = range(4)


def scene(seed: int, queries: int = 12) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Pixels [3, h, w], blobby mask logits [Q, h', w'] of which some are empty and one is full, and the padded size."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(33, 150)), int(rng.integers(33, 150))
    padded = (-(-height // 32) * 32, -(-width // 32) * 32)
    pixels = torch.from_numpy(rng.integers(0, 256, (3, height, width), dtype=np.uint8))
    coarse = torch.from_numpy(rng.normal(size=(1, queries, 4, 5)).astype(np.float32)) * 4
    logits = F.interpolate(coarse, (padded[0] // 4, padded[1] // 4), mode="bicubic")[0]
    logits = logits + torch.linspace(-12, 4, queries)[:, None, None]
    logits[0], logits[-1] = -30, 30
    return pixels, logits, padded


def plain_crops(
    pixels: Tensor, logits: Tensor, padded: tuple[int, int], threshold: float, side: int = SIDE
) -> tuple[Tensor, list[bool]]:
    """Everything at full size, one proposal after the other, in the official order."""
    height, width = pixels.shape[1:]
    masks = F.interpolate(logits[None], padded, mode="bilinear")[0, :, :height, :width].sigmoid()
    crops, valid = [], []
    for mask in masks:
        inside = mask > threshold
        valid.append(bool(inside.any()))
        if not inside.any():
            continue
        rows, columns = np.nonzero(inside.numpy())
        filled = torch.where(inside, pixels.float(), 255 * MEAN[0])
        cut = filled[None, :, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        crops.append(F.interpolate((cut / 255 - MEAN) / STD, (side, side), mode="bicubic"))
    return torch.cat(crops) if crops else torch.empty(0, 3, side, side), valid


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_crops_and_valid_flags(seed: int, threshold: float) -> None:
    pixels, logits, padded = scene(seed)
    expected, valid = plain_crops(pixels, logits, padded, threshold)
    found = proposal_crops(pixels, logits, padded, threshold, SIDE)
    assert found.kept.tolist() == np.flatnonzero(valid).tolist()
    assert 0 < len(found.kept) < len(logits)
    torch.testing.assert_close(found.images, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_threshold_of_zero_keeps_every_proposal_whole(seed: int) -> None:
    pixels, logits, padded = scene(seed)
    expected, valid = plain_crops(pixels, logits, padded, 0.0)
    assert all(valid)
    found = proposal_crops(pixels, logits, padded, 0.0, SIDE)
    torch.testing.assert_close(found.images, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_proposal_that_barely_reaches_the_threshold_is_judged_at_full_size(seed: int) -> None:
    """Peaks of the small mask lie between full-size pixels: a resized mask may stay below what its own logits reach."""
    pixels, logits, padded = scene(seed)
    threshold = 0.7
    highest = logits.amax((1, 2), keepdim=True)
    logits = logits - highest + torch.linspace(-0.02, 0.3, len(logits))[:, None, None] + np.log(0.7 / 0.3)
    expected, valid = plain_crops(pixels, logits, padded, threshold)
    assert 0 < sum(valid) < len(valid)
    found = proposal_crops(pixels, logits, padded, threshold, SIDE)
    assert found.kept.tolist() == np.flatnonzero(valid).tolist()
    torch.testing.assert_close(found.images, expected, rtol=0, atol=2e-5)


def keys_cubic(x: float) -> float:
    """Keys' kernel with a = -0.75, the one of F.interpolate without antialias."""
    x, a = abs(x), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def cubic_weights(source: int, target: int) -> NDArray[np.float64]:
    """[target, source]: four taps around each place, edges repeated."""
    weights = np.zeros((target, source))
    for row in range(target):
        place = (row + 0.5) * source / target - 0.5
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[row, min(max(tap, 0), source - 1)] += keys_cubic(place - tap)
    return weights


def test_the_resize_is_keys_cubic_without_antialias_or_clamping() -> None:
    """A box that is larger than the crop one way and smaller the other: the aspect goes."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (3, 90, 41), dtype=np.uint8) * 255)
    logits = torch.full((1, 24, 16), -10.0)
    logits[0, 2:20, 1:4] = 10
    inside = F.interpolate(logits[None], (96, 64), mode="bilinear")[0, 0, :90, :41] > 0
    rows, columns = np.nonzero(inside.numpy())
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    image = ((pixels[None] / 255 - MEAN) / STD)[0].double().numpy() * inside.numpy()
    cut = image[:, *box]
    expected = cubic_weights(cut.shape[1], SIDE) @ cut @ cubic_weights(cut.shape[2], SIDE).T
    found = proposal_crops(pixels, logits, (96, 64), 0.5, SIDE).images[0].numpy()
    assert cut.shape[1] > SIDE > cut.shape[2]
    assert found.max() > ((1 - MEAN) / STD).max()  # overshoot is left in
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_are_tight_and_exclusive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = torch.from_numpy(rng.random((30, 9, 14)) > rng.choice([0.5, 0.97, 1.0], (30, 1, 1)))
    for mask, box in zip(masks.numpy(), boxes(masks), strict=True):
        ys, xs = np.nonzero(mask)
        assert box == ((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None)


def plain_fusion(
    own: Tensor, crops: Tensor, valid: list[bool], seen: list[bool], weight: float
) -> NDArray[np.float64]:
    result = np.zeros(own.shape)
    order = iter(range(len(crops)))
    for q, has_crop in enumerate(valid):
        row = next(order) if has_crop else None
        for k, is_seen in enumerate(seen):
            p = float(own[q, k])
            c = 1.0 if row is None else float(crops[row, k])
            if weight <= 0:
                result[q, k] = 0.0 if row is None else c
            elif is_seen:
                result[q, k] = p**weight * c ** (1 - weight)
            else:
                result[q, k] = p ** (1 - weight) * c**weight
    return result


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.4, 0.8, 1.0])
def test_fusion(seed: int, weight: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    own = torch.randn(7, 6, generator=rng).mul(9).softmax(-1)[:, :5]
    own[0, 0] = 0.0  # a probability that underflowed
    valid = (torch.rand(7, generator=rng) > 0.4).tolist()
    crops = torch.randn(sum(valid), 5, generator=rng).mul(9).softmax(-1)
    seen = (torch.rand(5, generator=rng) > 0.5).tolist()
    found = fuse(own, crops, torch.from_numpy(np.flatnonzero(valid)), torch.tensor(seen), weight)
    np.testing.assert_allclose(found.numpy(), plain_fusion(own, crops, valid, seen, weight), rtol=1e-5)


# The whole: own stream, crops and both softmaxes, with a crop adapter of its own.


def plain_scores(
    simseg: SimSeg, images: ImageBatch, text: TextFeatures, weight: float, scale: float
) -> Tensor:
    """[K, h, w] at network size, as zero_shot_mask_former_model.py computes it: 100 full-size masks, no-object columns."""
    proposals = simseg.sem_seg_head(simseg.backbone(images.tensor))
    head: Any = simseg.sem_seg_head.predictor.class_embed
    own = head(proposals.embeddings)[0]
    nothing = simseg.non_object_embedding / simseg.non_object_embedding.norm()
    own_logits = scale * own / own.norm(dim=-1, keepdim=True) @ torch.cat([text.embeddings, nothing]).T
    height, width = images.geometry[0].valid
    masks = F.interpolate(proposals.mask_logits, images.tensor.shape[2:], mode="bilinear")[0]
    padded, threshold = images.geometry[0].padded, simseg.settings.mask_threshold
    crops, valid = plain_crops(
        images.pixels[0], proposals.mask_logits[0], padded, threshold, simseg.size.clip.image_size
    )
    shown = simseg.visual(crops)
    named = torch.cat([text.extra["regions"], torch.ones(1, text.embeddings.shape[1])])
    crop_logits = scale * shown / shown.norm(dim=-1, keepdim=True) @ named.T
    fused = plain_fusion(
        own_logits.softmax(-1)[:, :-1],
        crop_logits[:, :-1].softmax(-1),
        valid,
        text.extra["seen"].tolist(),
        weight,
    )
    return torch.einsum("qk,qhw->khw", torch.from_numpy(fused).float(), masks[:, :height, :width].sigmoid())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("weight", "scale"), [(0.7, 100.0), (0.0, 100.0), (0.7, 20.0)])
def test_scores_of_the_whole_with_a_crop_adapter_of_its_own(seed: int, weight: float, scale: float) -> None:
    """At the published scale of cosines, and at that of the tiny variant."""
    torch.manual_seed(seed)
    size = replace(TINY_SIZE, scale=scale)
    simseg = build(
        size, 96, 200, mask_threshold=0.6, ensemble_weight=weight, prompts="single", separate_adapter=True
    ).eval()
    image = np.random.default_rng(seed).integers(0, 256, (70, 101, 3), dtype=np.uint8)
    images = prepare([image], simseg.input_spec)
    with torch.no_grad():
        text = simseg.encode_vocabulary(Vocabulary(("cat", "wet grass", "tv"), (True, False, True)))
        assert not torch.allclose(text.embeddings, text.extra["regions"], atol=1e-3)
        scores = simseg.segment(images, text)
        found = full_scores(at_network_size(scores), 0)
        expected = plain_scores(simseg, images, text, weight, scale)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def at_network_size(scores: MaskScores) -> MaskScores:
    return replace(scores, geometry=tuple(replace(place, original=place.valid) for place in scores.geometry))
