"""Bilinear resizing of a part of an image, with the very weights that `F.interpolate` uses for the whole.

Bilinear interpolation is linear and works on rows and columns apart: the resized image is R X C', R [H, h] and C [W, w]
having two weights a row. A chain resize, crop, resize is the product of such matrices. Each row has its weights side by side, so
a tile of the result needs a small block of R, a small block of C and a small patch of X: two thin matrix products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# `F.interpolate` computes positions in float32, with two roundings of 2^-24 each; four times that, relative to the size.
POSITION_ERROR = 2**-21
# On a CPU `F.interpolate` has other kernels for channels-last input, for three channels, and for outputs whose height and
# width add up to 128 at most; they round positions differently, by up to 2^-23 of the size (found with torch 2.15). The
# weights here are those of its usual one, which only makes outputs larger than that.
LARGE_OUTPUT = 129


@dataclass(frozen=True)
class Tile:
    """A rectangle of pixels; `bottom` and `right` are the first row and column beyond it."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class Axis:
    """One axis of a chain resize, crop, resize.

    Attributes:
        matrix: [target, source] float32 weights; None if the chain changes nothing but what it crops.
        steps: (from, to) pixels of each resize that changes something, first to last.
        align_corners: as in `F.interpolate`.
    """

    matrix: Tensor | None
    steps: tuple[tuple[int, int], ...]
    align_corners: bool

    def source(self, first: int, end: int) -> tuple[int, int]:
        """The source pixels (first, end) that target pixels `first` to `end` - 1 depend on."""
        last = end - 1
        for size, target in reversed(self.steps):
            slack = size * POSITION_ERROR
            first = max(math.floor(self._position(first, size, target) - slack), 0)
            last = min(math.floor(self._position(last, size, target) + slack) + 1, size - 1)
        return first, last + 1

    def block(self, first: int, end: int) -> Tensor | None:
        """[end - first, sources] weights of some target pixels on just the pixels that `source` names."""
        if self.matrix is None:
            return None
        low, high = self.source(first, end)
        return self.matrix[first:end, low:high]

    def _position(self, pixel: int, size: int, target: int) -> float:
        """Where a target pixel's centre falls among `size` source pixels."""
        if self.align_corners:
            return pixel * (size - 1) / (target - 1) if target > 1 else 0.0
        return max((pixel + 0.5) * size / target - 0.5, 0.0)


def bilinear_axis(
    source: int,
    padded: int,
    valid: int,
    target: int,
    align_corners: bool = False,
    device: torch.device | str = "cpu",
) -> Axis:
    """The axis that resizes `source` to `padded` pixels, keeps the first `valid` and resizes these to `target`."""
    steps = tuple((size, to) for size, to in ((source, padded), (valid, target)) if size != to)
    if not steps:
        return Axis(None, (), align_corners)
    # The weights are what F.interpolate makes of the identity, so they are its own to the last bit, whatever the
    # device: columns keep their size, and are copied.
    matrix = torch.eye(source, max(source, LARGE_OUTPUT), device=device)
    matrix = _resized(_resized(matrix, padded, align_corners)[:valid], target, align_corners)
    return Axis(matrix[:, :source], steps, align_corners)


def _resized(matrix: Tensor, rows: int, align_corners: bool) -> Tensor:
    if len(matrix) == rows:
        return matrix
    size = (rows, matrix.shape[1])
    return F.interpolate(matrix[None, None], size, mode="bilinear", align_corners=align_corners)[0, 0]


@dataclass(frozen=True)
class Resize:
    """Both axes of a resize: any tile of the result, from the source patch that it depends on."""

    rows: Axis
    columns: Axis

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes but what is cropped."""
        return self.rows.matrix is None and self.columns.matrix is None

    def source(self, tile: Tile) -> Tile:
        """The patch of source pixels that a tile of the result depends on."""
        return Tile(*self.rows.source(tile.top, tile.bottom), *self.columns.source(tile.left, tile.right))

    def apply(self, patch: Tensor, tile: Tile) -> Tensor:
        """Make a tile.

        Args:
            patch: [h, C, w] float32, the pixels that `source(tile)` names. Rows lead, so that both products are plain ones.
            tile: the pixels wanted.

        Returns:
            [H, C, W] float32; `patch` itself if the resize changes nothing.
        """
        rows, columns = self.rows.block(tile.top, tile.bottom), self.columns.block(tile.left, tile.right)
        if rows is None or columns is None or _columns_first_is_cheaper(rows, columns):
            return _mix_rows(rows, _mix_columns(patch, columns))
        return _mix_columns(_mix_rows(rows, patch), columns)


def _columns_first_is_cheaper(rows: Tensor, columns: Tensor) -> bool:
    """Multiply-adds a channel, [H, h] and [W, w]: h W w + H h W against H h w + H W w."""
    (height, h), (width, w) = rows.shape, columns.shape
    return h * width * (w + height) <= height * w * (h + width)


def _mix_rows(rows: Tensor | None, patch: Tensor) -> Tensor:
    if rows is None:
        return patch
    height, channels, width = patch.shape
    return (rows @ patch.reshape(height, channels * width)).view(len(rows), channels, width)


def _mix_columns(patch: Tensor, columns: Tensor | None) -> Tensor:
    return patch if columns is None else patch @ columns.T
