"""ZegFormer's boxes, crops, prompts, fusion and calibration against plain versions written here, that share no code with it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores
from benchbed.vocabulary import Vocabulary
from methods.zegformer.crops import canvases, cut, mask_boxes
from methods.zegformer.fusion import clip_probabilities, fuse
from methods.zegformer.model import ZegFormer, build
from methods.zegformer.sizes import TINY_SIZE
from methods.zegformer.templates import class_prompts, template_set

Array = NDArray[Any]


def blobs(queries: int, height: int, width: int, seed: int) -> Tensor:
    """Mask logits [Q, h, w] of all sizes, some empty, some a single pixel."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, queries, 5, 6, generator=generator)
    masks = 4 * F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0]
    masks = masks - torch.linspace(-3, 12, queries)[:, None, None]
    masks[-1] = -5.0
    masks[-2] = -5.0
    masks[-2, height // 2, width // 3] = 60.0
    return masks


# Boxes and crops.


def plain_box(mask: Array) -> list[float]:
    ys, xs = np.where(mask)
    whole = [0.0, 0.0, float(mask.shape[1]), float(mask.shape[0])]
    if len(ys) == 0:
        return whole
    box = [float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())]
    return whole if (box[2] - box[0]) * (box[3] - box[1]) == 0 else box


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_first_and_last_mask_pixels(seed: int) -> None:
    masks = blobs(12, 24, 33, seed)
    probabilities = 1 / (1 + np.exp(-masks.double().numpy()))
    expected = [plain_box(each > 0.5) for each in probabilities]
    assert mask_boxes(masks).tolist() == expected


def test_thin_and_empty_masks_become_the_whole_canvas() -> None:
    masks = torch.full((4, 8, 10), -1.0)
    masks[1, 3, :] = 1.0  # one pixel high
    masks[2, :, 4] = 1.0  # one pixel wide
    masks[3, 2:4, 5:9] = 1.0
    assert mask_boxes(masks).tolist() == [[0, 0, 10, 8], [0, 0, 10, 8], [0, 0, 10, 8], [5, 2, 8, 3]]


def test_a_logit_of_zero_is_outside() -> None:
    """sigmoid(0) is 0.5, and the official comparison is strict."""
    assert mask_boxes(torch.zeros(1, 4, 4)).tolist() == [[0, 0, 4, 4]]
    assert not cut(torch.ones(3, 4, 4), torch.zeros(1, 4, 4), 2).any()


def plain_axis(start: float, end: float, length: int, size: int) -> Array:
    """RoIAlign's weights of one axis, [size, length]: aligned, as many samples a bin as it has pixels, rounded up."""
    start, end = start - 0.5, end - 0.5
    step, samples = (end - start) / size, math.ceil((end - start) / size)
    weights = np.zeros((size, length))
    for place in range(size):
        for sample in range(samples):
            at = start + place * step + (sample + 0.5) * step / samples
            if at < -1 or at > length:
                continue
            at = min(max(at, 0), length - 1)
            low = min(int(at), length - 1)
            weights[place, low] += (low + 1 - at) / samples
            if low + 1 < length:
                weights[place, low + 1] += (at - low) / samples
    return weights


def plain_crop(canvas: Array, mask: Array, size: int) -> Array:
    x0, y0, x1, y1 = plain_box(mask)
    rows = plain_axis(y0, y1, canvas.shape[1], size)
    columns = plain_axis(x0, x1, canvas.shape[2], size)
    return np.stack([rows @ (channel * mask) @ columns.T for channel in canvas])


def plain_canvas(batch: ImageBatch, index: int) -> Array:
    """CLIP's mean and std, as the golden case's config.json has them."""
    pixels = batch.pixels[index].numpy().astype(np.float64)
    canvas = np.zeros((3, *batch.geometry[index].padded))
    mean, std = (122.7709383, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.323163)
    for channel in range(3):
        normalised = (pixels[channel] - mean[channel]) / std[channel]
        canvas[channel, : pixels.shape[1], : pixels.shape[2]] = normalised
    return canvas


def plain_crops(batch: ImageBatch, index: int, mask_logits: Tensor, size: int) -> Tensor:
    canvas = plain_canvas(batch, index)
    large = F.interpolate(
        mask_logits[None], batch.geometry[index].padded, mode="bilinear", align_corners=False
    )[0]
    return torch.from_numpy(np.stack([plain_crop(canvas, each.numpy() > 0, size) for each in large])).float()


@pytest.mark.parametrize(("seed", "height", "width"), [(0, 60, 100), (1, 130, 47), (2, 64, 64)])
def test_crops_agree_with_a_plain_roi_align(seed: int, height: int, width: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    zegformer_input = build("tiny", short_side=64, longest_side=200).input_spec
    batch = prepare([image], zegformer_input)
    masks = blobs(9, batch.tensor.shape[2] // 4, batch.tensor.shape[3] // 4, seed)
    ours = cut(next(canvases(batch)), masks, 24)
    np.testing.assert_allclose(ours, plain_crops(batch, 0, masks, 24), atol=2e-5)


def test_crops_do_not_depend_on_how_many_are_cut_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    canvas, masks = torch.randn(3, 40, 52), blobs(11, 10, 13, 0)
    together = cut(canvas, masks, 16)
    monkeypatch.setattr("methods.zegformer.crops.MASKED_BYTES", 1)
    assert torch.equal(cut(canvas, masks, 16), together)


# Prompts.


def test_synonyms_and_templates_are_averaged_together() -> None:
    torch.manual_seed(0)
    zegformer = build("tiny").eval()
    names = ("playingfield, field", "cow")
    with torch.no_grad():
        text = zegformer.encode_vocabulary(Vocabulary(names, (True, False)))
        for found, templates in ((text.embeddings, "single"), (text.extra["clip"], "imagenet_select_clip")):
            for row, words in zip(found, (("playingfield", "field"), ("cow",)), strict=True):
                each = [
                    zegformer.text.encode([t.format(w)])[0] for w in words for t in template_set(templates)
                ]
                mean = torch.stack(each).mean(0)
                torch.testing.assert_close(row, mean / mean.norm(), atol=1e-5, rtol=0)
    assert text.extra["seen"].tolist() == [True, False]


def test_prompts_of_one_class_stand_together() -> None:
    prompts, counts = class_prompts(("a, b ", "c"), ("x {}", "y {}."))
    assert prompts == ["x a", "y a.", "x b", "y b.", "x c", "y c."]
    assert counts == [4, 2]
    assert class_prompts((", ",), ("x {}",)) == (["x ,"], [1])


@pytest.mark.parametrize(
    ("name", "count"),
    [("single", 1), ("imagenet_select", 8), ("imagenet_select_clip", 32), ("imagenet", 80)],
)
def test_template_sets_have_the_published_numbers(name: str, count: int) -> None:
    templates = template_set(name)
    assert len(set(templates)) == len(templates) == count
    assert all(template.count("{}") == 1 for template in templates)


# Fusion and calibration.


def plain_fusion(head: Array, clip_logits: Array, nothing: Array, seen: list[bool]) -> tuple[Array, Array]:
    """Class by class, query by query: CLIP's probabilities, and both streams together."""
    by_clip, fused = np.zeros_like(head), np.zeros_like(head)
    for query in range(len(head)):
        exponents = np.exp([*clip_logits[query], nothing[query]] - clip_logits[query].max())
        by_clip[query] = (exponents / exponents.sum())[:-1]
        of_seen = [p for p, known in zip(by_clip[query], seen, strict=True) if known]
        for label, known in enumerate(seen):
            if known:
                fused[query, label] = head[query, label] ** (2 / 3) * np.mean(of_seen) ** (1 / 3)
            else:
                fused[query, label] = head[query, label] ** (1 / 3) * by_clip[query, label] ** (2 / 3)
    return by_clip, fused


@pytest.mark.parametrize("seen", [[True, False, True, False], [True] * 4, [False] * 4])
@pytest.mark.parametrize("seed", range(3))
def test_fusion_agrees_with_loops(seed: int, seen: list[bool]) -> None:
    rng = np.random.default_rng(seed)
    head = rng.dirichlet(np.ones(5), 6)[:, :4]
    clip_logits, nothing = 5 * rng.normal(size=(6, 4)), 5 * rng.normal(size=6)
    by_clip, fused = plain_fusion(head, clip_logits, nothing, seen)
    ours = clip_probabilities(torch.from_numpy(clip_logits), torch.from_numpy(nothing))
    np.testing.assert_allclose(ours, by_clip, atol=1e-12)
    np.testing.assert_allclose(fuse(torch.from_numpy(head), ours, torch.tensor(seen)), fused, atol=1e-12)


def plain_scores(zegformer: ZegFormer, batch: ImageBatch, vocabulary: Vocabulary, scale: float) -> Tensor:
    """[K, H0, W0]: the published order of things on one image, every crop by itself, each mode by its own branch."""
    text = zegformer.encode_vocabulary(vocabulary)
    proposals = zegformer.sem_seg_head(zegformer.backbone(batch.tensor))
    projected = F.normalize(zegformer.class_head.projection_layer(proposals.embeddings[0]), dim=-1)
    words = torch.cat([text.embeddings, zegformer.class_head.bg_feature])
    logits = scale * projected @ words.T
    scores = logits.softmax(-1)[:, :-1]
    mode, gamma = zegformer.choices.mode, zegformer.choices.gamma
    if mode != "seg":
        crops = plain_crops(batch, 0, proposals.mask_logits[0], zegformer.size.clip.image_size)
        embedded = torch.cat([F.normalize(zegformer.visual(crop[None]), dim=-1) for crop in crops])
        clip_logits = (100 * embedded @ text.extra["clip"].T).double().numpy()
        by_clip, fused = plain_fusion(
            scores.double().numpy(), clip_logits, logits[:, -1].double().numpy(), list(vocabulary.seen)
        )
        scores = torch.from_numpy(by_clip if mode == "img" else fused).float()
    geometry = batch.geometry[0]
    large = F.interpolate(proposals.mask_logits, geometry.padded, mode="bilinear", align_corners=False)
    maps = torch.einsum("qc,qhw->chw", scores, large[0].sigmoid())
    maps = maps[:, : geometry.valid[0], : geometry.valid[1]]
    maps = F.interpolate(maps[None], geometry.original, mode="bilinear", align_corners=False)[0]
    if gamma > 0:
        for label, known in enumerate(vocabulary.seen):
            maps[label] -= gamma * known
    return maps


@pytest.mark.parametrize("mode", ["seg", "img", "full"])
@pytest.mark.parametrize(("gamma", "scale"), [(0.1, 100.0), (-1.0, 100.0), (0.1, 20.0)])
def test_every_mode_agrees_with_the_plain_pipeline(mode: Any, gamma: float, scale: float) -> None:
    """At the published scale of the head's cosines, and at that of the tiny variant."""
    torch.manual_seed(3)
    size = replace(TINY_SIZE, head_scale=scale)
    zegformer = build(size, mode=mode, gamma=gamma, short_side=96, longest_side=200).eval()
    zegformer.sem_seg_head.pixel_decoder.mask_features.bias.data.normal_(std=2)  # masks of all sizes
    image = np.random.default_rng(1).integers(0, 256, (70, 91, 3), dtype=np.uint8)
    vocabulary = Vocabulary(("cat", "potted plant", "sea, ocean"), (True, False, True))
    with torch.no_grad():
        batch = prepare([image], zegformer.input_spec)
        ours = full_scores(zegformer.segment(batch, zegformer.encode_vocabulary(vocabulary)), 0)
        expected = plain_scores(zegformer, batch, vocabulary, scale)
    assert (ours - expected).abs().max() <= 1e-4 * expected.abs().max()
