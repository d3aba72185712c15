"""Collages for the small CLIP: a picture cut into cells, each of which shows one object, and where each object is.

A scene's own objects are not told apart by a caption. A collage is made of captioned pictures, so that it is known where each
caption belongs, from the cutting alone: no mask of any object is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed.datasets.shapes.random_stream import Stream
from benchbed.training.clip_pool import Crop

# The cells' edges lie between patches of 8 pixels, and a cell holds 5 x 5 of them at least.
PATCH: Final = 8
LEAST: Final = 5 * PATCH
_NEARLY_SQUARE: Final = 3 * PATCH  # such a cell may be cut either way
_TRIES: Final = 50

Cell = tuple[int, int, int, int]


@dataclass(frozen=True)
class Collage:
    """One picture of several.

    Attributes:
        image: [3, H, W] float32, 0..255.
        regions: [n, H / 8 * W / 8] bool: the patches of each of the n pictures that its caption speaks of.
    """

    image: Tensor
    regions: Tensor


def cells(height: int, width: int, count: int, stream: Stream) -> list[Cell]:
    """Cut a rectangle into `count` cells (top, left, bottom, right), pixels: large ones first, their longer side.

    Raises:
        ValueError: there is no room for so many.
    """
    for _ in range(_TRIES):
        found: list[Cell] = [(0, 0, height, width)]
        while len(found) < count:
            place = max(range(len(found)), key=lambda k: _area(found[k]) * stream.integer(50, 150))
            halves = _halved(found[place], stream)
            if halves is None:
                break
            found[place : place + 1] = halves
        else:
            return found
    raise ValueError(f"{height} x {width} pixels have no room for {count} cells of {LEAST} pixels a side")


def _area(cell: Cell) -> int:
    top, left, bottom, right = cell
    return (bottom - top) * (right - left)


def _halved(cell: Cell, stream: Stream) -> tuple[Cell, Cell] | None:
    top, left, bottom, right = cell
    height, width = bottom - top, right - left
    upright = width > height if abs(width - height) > _NEARLY_SQUARE else stream.chance(1, 2)
    low, high = (left, right) if upright else (top, bottom)
    if high - low < 2 * LEAST:
        return None
    cut = PATCH * stream.integer(-(-(low + LEAST) // PATCH), (high - LEAST) // PATCH)
    if upright:
        return (top, left, bottom, cut), (top, cut, bottom, right)
    return (top, left, cut, right), (cut, left, bottom, right)


def collage(crops: list[Crop], height: int, width: int, stream: Stream) -> Collage:
    """Lay one crop into each cell, enlarged, squeezed and mirrored by chance.

    A region is the patches that the object's outline touches or fills well, or the cell, or the part of it that the crop's box
    takes, or that part's inscribed ellipse.
    """
    image = torch.empty(3, height, width)
    regions = np.zeros((len(crops), height // PATCH, width // PATCH), bool)
    for place, (crop, cell) in enumerate(
        zip(crops, cells(height, width, len(crops), stream.child("cells")), strict=True)
    ):
        top, left, bottom, right = cell
        shown, box, outline = _fitted(crop, bottom - top, right - left, stream.child("cell", place))
        image[:, top:bottom, left:right] = shown
        own = stream.child("region", place)
        if own.chance(6, 10):
            regions[place] = _outlined(cell, outline, regions.shape[1:], own)
        else:
            regions[place] = _region(cell, box, regions.shape[1:], own)
    return Collage(image, torch.from_numpy(regions).flatten(1))


def _fitted(
    crop: Crop, height: int, width: int, stream: Stream
) -> tuple[Tensor, tuple[float, float, float, float], Tensor]:
    """A window of the crop around its object as [3, height, width], the object's box (left, top, right, bottom) in it, and the
    share of each pixel that the object takes, [height, width].
    """
    left, top, right, bottom = crop.box
    whole = crop.image.shape[0]
    zoom = stream.integer(100, 250) / 100 * max((right - left) / width, (bottom - top) / height)
    across, down = (int(min(whole, zoom * side)) for side in (width, height))
    x = _corner(left, right, across, whole, stream)
    y = _corner(top, bottom, down, whole, stream)
    layers = np.dstack([crop.image, crop.outline()])[y : y + down, x : x + across]
    window = torch.from_numpy(layers.transpose(2, 0, 1).copy())
    shown = F.interpolate(window.float()[None], (height, width), mode="bilinear", antialias=True)[0]
    wide, high = width / across, height / down
    box = ((left - x) * wide, (top - y) * high, (right - x) * wide, (bottom - y) * high)
    if stream.chance(1, 2):
        shown, box = shown.flip(2), (width - box[2], box[1], width - box[0], box[3])
    if stream.chance(1, 2):
        shown, box = shown.flip(1), (box[0], height - box[3], box[2], height - box[1])
    return shown[:3], box, shown[3]


def _corner(low: int, high: int, side: int, whole: int, stream: Stream) -> int:
    """Where a window of `side` pixels begins, about around the middle of low..high and inside the picture."""
    shift = side * stream.integer(-100, 100) / 1000
    return min(max(int((low + high - side) / 2 + shift), 0), whole - side)


def _outlined(cell: Cell, outline: Tensor, grid: tuple[int, ...], stream: Stream) -> NDArray[np.bool_]:
    """The patches that the outline touches; half of the time those that it fills by three tenths."""
    top, left, bottom, right = (side // PATCH for side in cell)
    filled = F.avg_pool2d(outline[None], PATCH)[0].numpy()
    least = 0.3 if stream.chance(1, 2) and (filled > 0.3).any() else 0.0
    region: NDArray[np.bool_] = np.zeros(grid, bool)
    region[top:bottom, left:right] = filled > least
    return region


def _region(
    cell: Cell, box: tuple[float, float, float, float], grid: tuple[int, ...], stream: Stream
) -> NDArray[np.bool_]:
    top, left, bottom, right = cell
    x0, y0, x1, y1 = 0.0, 0.0, float(right - left), float(bottom - top)
    if stream.chance(6, 10):
        x0, y0, x1, y1 = max(x0, box[0]), max(y0, box[1]), min(x1, box[2]), min(y1, box[3])
    first = int((top + y0) // PATCH), int((left + x0) // PATCH)
    last = tuple(
        max(begin + 1, math.ceil(end / PATCH))
        for begin, end in zip(first, (top + y1, left + x1), strict=True)
    )
    region: NDArray[np.bool_] = np.zeros(grid, bool)
    region[first[0] : last[0], first[1] : last[1]] = True
    height, width = last[0] - first[0], last[1] - first[1]
    if stream.chance(1, 2) and min(height, width) > 2:
        down, across = np.ogrid[: grid[0], : grid[1]]
        far = ((down + 0.5 - first[0]) * 2 / height - 1) ** 2 + (
            (across + 0.5 - first[1]) * 2 / width - 1
        ) ** 2
        region &= far <= 1
    return region
