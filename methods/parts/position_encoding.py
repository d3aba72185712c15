"""Fixed sine position encodings: DETR's, normalised to the grid, and one that counts patches."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

TEMPERATURE: Final = 10000.0  # DETR, PositionEmbeddingSine
EPS: Final = 1e-6  # ibid.; keeps the last position a hair below 2*pi


def sine_position(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Position encoding of a grid; rows fill the first half of the channels, columns the second.

    Position p = 1..n of an axis becomes p / (n + 1e-6) * 2 pi, divided by 10000^(2 floor(i/2) / (channels/2)) for channel i
    of the half, sine on even and cosine on odd channels. Each axis is computed once, not once a pixel.

    Returns:
        [height, width, channels] float32.
    """
    rows = _axis(height, channels // 2, device)[:, None].expand(height, width, -1)
    columns = _axis(width, channels // 2, device)[None].expand(height, width, -1)
    return torch.cat([rows, columns], dim=-1)


def patch_position(height: int, width: int, channels: int) -> Tensor:
    """Position encoding of a grid of patches; rows fill the first half of the channels, columns the second.

    Position p = 0..n-1 of an axis is divided by 10000^(i / (channels/4)) for i = 0 .. channels/4 - 1; sines fill the first half
    of an axis's channels, cosines the second (Vaswani et al. 2017, section 3.5, on each of two axes, as MAE's
    fixed positions are, CVPR 2022).

    Args:
        height, width: of the grid.
        channels: a multiple of 4.

    Returns:
        [height, width, channels] float32.
    """
    index = torch.arange(channels // 4, dtype=torch.float32)
    slowness = TEMPERATURE ** (index / (channels // 4))

    def axis(count: int) -> Tensor:
        angles = torch.arange(count, dtype=torch.float32)[:, None] / slowness
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    rows = axis(height)[:, None].expand(height, width, -1)
    return torch.cat([rows, axis(width)[None].expand(height, width, -1)], dim=-1)


def _axis(count: int, channels: int, device: torch.device | None) -> Tensor:
    """[count, channels]"""
    place = torch.arange(1, count + 1, dtype=torch.float32, device=device)
    place = place / (count + EPS) * (2 * math.pi)
    index = torch.arange(channels, dtype=torch.float32, device=device)
    angles = place[:, None] / TEMPERATURE ** (2 * torch.div(index, 2, rounding_mode="floor") / channels)
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=-1).flatten(1)
