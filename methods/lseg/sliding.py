"""The official evaluator for label sets: several scales, flips, overlapping windows (additional_utils/models.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.stages import stage
from methods.lseg.framing import grown
from methods.lseg.sizes import LSegSize

# Windows [B, 3, crop, crop] to logits [B, K, crop, crop].
WindowLogits = Callable[[Tensor], Tensor]


def multi_scale(image: Tensor, logits_of: WindowLogits, size: LSegSize, colour: Tensor) -> Tensor:
    """Scores of one image, summed over scales and flips, not averaged.

    Args:
        image: [1, 3, H, W], normalised, not padded, at its original size.
        logits_of: the network.
        size: says `base_size`, `crop_size`, `scales` and `flip`.
        colour: [3] of the padding.

    Returns:
        [1, K, H, W].
    """
    total: Tensor | None = None
    original = (image.shape[2], image.shape[3])
    forward = both_ways(logits_of) if size.flip else logits_of
    for scale in size.scales:
        target = scaled(*original, math.ceil(size.base_size * scale))
        scores = resized(slide(resized(image, target), forward, size.crop_size, colour), original)
        total = scores if total is None else total + scores
    if total is None:
        raise ValueError("no scales: expected at least one")
    return total


def scaled(height: int, width: int, longest: int) -> tuple[int, int]:
    """The size (height, width) whose longer side is `longest`; the shorter is rounded, and never below 1."""
    if height > width:
        return longest, max(1, int(1.0 * width * longest / height + 0.5))
    return max(1, int(1.0 * height * longest / width + 0.5)), longest


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners aligned, no antialias."""
    return F.interpolate(maps, size, mode="bilinear", align_corners=True)


def slide(image: Tensor, forward: WindowLogits, crop: int, colour: Tensor) -> Tensor:
    """Mean logits [1, K, H, W] over square windows with a stride of two thirds of their side."""
    height, width = image.shape[2:]
    framed = grown(image, crop, crop, colour)
    total: Tensor | None = None
    count = framed.new_zeros(framed.shape[2:])
    for top, left in corners(framed.shape[2], framed.shape[3], crop):
        window = framed[:, :, top : top + crop, left : left + crop]
        bottom, right = top + window.shape[2], left + window.shape[3]
        logits = forward(grown(window, crop, crop, colour))
        with stage("compose"):
            if total is None:
                total = logits.new_zeros(1, logits.shape[1], *framed.shape[2:])
            total[:, :, top:bottom, left:right] += logits[:, :, : bottom - top, : right - left]
            count[top:bottom, left:right] += 1
    if total is None:
        raise ValueError(f"no window of {crop} pixels fits {height} x {width}")
    return (total / count)[:, :, :height, :width]


def corners(height: int, width: int, crop: int) -> Iterator[tuple[int, int]]:
    """Top left corners of the windows; the last ones may reach over the edge, and are then cut and padded."""
    stride = int(crop * (2.0 / 3.0))
    for row in range(math.ceil((height - crop) / stride) + 1):
        for column in range(math.ceil((width - crop) / stride) + 1):
            yield row * stride, column * stride


def both_ways(logits_of: WindowLogits) -> WindowLogits:
    """The network's logits plus those of the mirrored window, mirrored back."""

    def forward(window: Tensor) -> Tensor:
        logits = logits_of(torch.cat([window, window.flip(3)]))
        return logits[: len(window)] + logits[len(window) :].flip(3)

    return forward
