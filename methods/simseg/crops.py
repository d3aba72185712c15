"""From mask proposals to CLIP's crops: cut, masked, normalised, squeezed to a square (section 3.2; clip_adapter/adapter.py)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.input_spec import CLIP_MEAN, CLIP_STD

Size = tuple[int, int]
# Masks at full size at a time: 9 MB at 640 x 853, which stays near the cache; all 100 at once take 220 MB and longer.
MASKS_PER_PASS: Final = 4


@dataclass(frozen=True)
class Crops:
    """What CLIP is shown of one image.

    Attributes:
        images: [N, 3, S, S] float32 normalised for CLIP, in the order of the proposals.
        kept: [N] int64, the proposals that they are of; empty ones are left out.
    """

    images: Tensor
    kept: Tensor


def proposal_crops(pixels: Tensor, mask_logits: Tensor, padded: Size, threshold: float, side: int) -> Crops:
    """Cut every proposal with at least one pixel above the threshold out of one image.

    The official order is cut, fill with 255 * CLIP's mean, normalise, resize. The fill is 0 once normalised, so the image is
    normalised once instead, and a crop is its box times the mask: the same numbers, in a third of the work.
    Boxes are tight, exclusive at the right and bottom; int() truncates nothing at MASK_EXPAND_RATIO 1.0, the published one.

    Args:
        pixels: [3, h, w] uint8, the RESIZED image, not normalised and not padded.
        mask_logits: [Q, h', w'] over the padded network input.
        padded: its size (height, width), pixels.
        threshold: of the sigmoid.
        side: S; the aspect is not kept. Bicubic, no antialias, align_corners False, not clamped.
    """
    image = clip_normalised(pixels)
    images = image.new_empty(len(mask_logits), 3, side, side)
    kept: list[int] = []
    for proposal, mask, (left, top, right, bottom) in _foregrounds(mask_logits, padded, image, threshold):
        region = image[:, top:bottom, left:right] * mask[top:bottom, left:right]
        images[len(kept)] = F.interpolate(region[None], (side, side), mode="bicubic", align_corners=False)[0]
        kept.append(proposal)
    return Crops(images[: len(kept)], torch.tensor(kept, dtype=torch.int64, device=image.device))


def clip_normalised(pixels: Tensor) -> Tensor:
    """[3, h, w] uint8 in 0..255 to float32 with CLIP's mean and std, both times 255."""
    mean = torch.tensor(CLIP_MEAN, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(CLIP_STD, device=pixels.device).view(3, 1, 1)
    return (pixels.float() - mean) / std


def _foregrounds(
    mask_logits: Tensor, padded: Size, image: Tensor, threshold: float
) -> Iterator[tuple[int, Tensor, tuple[int, int, int, int]]]:
    """Each non-empty proposal: its index, its mask [h, w] bool, its box (left, top, right, bottom)."""
    height, width = image.shape[1:]
    candidates = _possible(mask_logits, threshold)
    for some in candidates.split(MASKS_PER_PASS) if len(candidates) else ():
        logits = F.interpolate(mask_logits[some].float()[None], padded, mode="bilinear", align_corners=False)[
            0
        ]
        masks = logits[:, :height, :width].sigmoid() > threshold
        for proposal, mask, box in zip(some.tolist(), masks, boxes(masks), strict=True):
            if box is not None:
                yield proposal, mask, box


def _possible(mask_logits: Tensor, threshold: float) -> Tensor:
    """Indices [n] of proposals that may have a pixel: no bilinear sample exceeds the largest logit that it is made of.

    The allowance is many times the rounding of sample and sigmoid; what it lets through is looked at closely.
    """
    least = -math.inf if threshold == 0 else math.log(threshold / (1 - threshold))
    highest = mask_logits.float().amax((1, 2))
    return torch.nonzero(highest * (1 + 1e-5 * highest.sign()) + 1e-3 > least)[:, 0]


def boxes(masks: Tensor) -> list[tuple[int, int, int, int] | None]:
    """Tight boxes (left, top, right, bottom) of [n, h, w] bool, right and bottom exclusive; None for an empty mask."""
    columns, rows = _spans(masks.any(1)), _spans(masks.any(2))
    return [
        (left, top, right, bottom) if right > left else None
        for (left, right), (top, bottom) in zip(columns, rows, strict=True)
    ]


def _spans(occupied: Tensor) -> list[tuple[int, int]]:
    """First and last place + 1 that is True in each row of [n, L] bool; equal where none is."""
    length = occupied.shape[1]
    place = torch.arange(length, device=occupied.device)
    first = torch.where(occupied, place, length).amin(1)
    last = torch.where(occupied, place + 1, 0).amax(1)
    return [(a, b) if b else (0, 0) for a, b in torch.stack([first, last], 1).tolist()]
