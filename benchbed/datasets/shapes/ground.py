"""The ground under the objects: a muted pattern, blotches, clutter of specks and lines; all background."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchbed.datasets.shapes.fixed_point import PIXEL, Plane, along, blend, clipped, coverage, grid
from benchbed.datasets.shapes.palette import clutter_colour, ground_colours
from benchbed.datasets.shapes.random_stream import Stream

PATTERNS = ("mottled", "planks", "tiles", "patches")
# Pixels of ground for one line, and for one group of specks.
LINE_AREA = 2400
SPECKS_AREA = 3200
# Coverage 0 .. 64 of specks one to four pixels wide.
SPECKS = (
    ((52,),),
    ((46, 46), (46, 46)),
    ((20, 46, 20), (46, 58, 46), (20, 46, 20)),
    ((12, 46, 46, 12), (46, 58, 58, 46), (46, 58, 58, 46), (12, 46, 46, 12)),
)


def paint_ground(height: int, width: int, stream: Stream) -> npt.NDArray[np.int32]:
    """The empty scene, int32 `[height, width, 3]`, 0 .. 255 and a little beyond."""
    first, second = ground_colours(stream.child("colours"))
    blotches = value_noise(height, width, 24, stream.child("blotches"))
    canvas = np.empty((height, width, 3), np.int32)
    canvas[:] = first
    blend(canvas, second, _pattern(height, width, blotches, stream.child("pattern")))
    canvas += (blotches - np.int32(32))[:, :, None] // np.int32(2)
    _scatter_specks(canvas, stream.child("specks"))
    _scatter_lines(canvas, stream.child("lines"))
    return canvas


def value_noise(height: int, width: int, cell: int, stream: Stream) -> Plane:
    """Smooth noise 0 .. 64 `[height, width]`: random values every `cell` pixels, smoothly interpolated."""
    rows, columns = height // cell + 2, width // cell + 2
    lattice = stream.integers(rows * columns, 0, PIXEL).reshape(rows, columns)
    return _interpolated(_interpolated(lattice, height, cell).T, width, cell).T


def _interpolated(values: Plane, length: int, cell: int) -> Plane:
    """`values` `[n, m]` read at `length` places along axis 0, with the smoothstep weight 3t^2 - 2t^3."""
    place = np.arange(length, dtype=np.int32)
    below, rest = place // cell, place % cell
    weight = (rest * rest * (3 * cell - 2 * rest) * 256 // cell**3)[:, None]
    return (values[below] * (np.int32(256) - weight) + values[below + 1] * weight) >> np.int32(8)


def _pattern(height: int, width: int, blotches: Plane, stream: Stream) -> Plane:
    """How much of the second ground colour shows, 0 .. 64 `[height, width]`."""
    name = stream.choice(PATTERNS)
    if name == "mottled":
        return (value_noise(height, width, stream.integer(5, 9), stream) + blotches) >> np.int32(1)
    if name == "patches":
        return clipped((blotches - np.int32(32)) * np.int32(4) + np.int32(32), 0, PIXEL)
    period, direction = stream.integer(22, 40) * PIXEL, stream.integer(0, 359)
    x, y = grid(0, 0, width, height)
    seams = _seams(along(x, y, direction), period)
    if name == "tiles":
        seams = np.maximum(seams, _seams(along(x, y, direction + 90), period))
    return seams


def _seams(u: Plane, period: int) -> Plane:
    """Lines two pixels wide once a period, between boards that differ a little: 0 .. 64."""
    board = (u // np.int32(period) * np.int32(23)) & np.int32(31)
    lines: Plane = np.maximum(coverage(np.int32(PIXEL) - u % np.int32(period)), board)
    return lines


def _scatter_specks(canvas: npt.NDArray[np.int32], stream: Stream) -> None:
    """Groups of small round specks, one colour and size a group."""
    height, width = canvas.shape[:2]
    for _ in range(height * width // SPECKS_AREA):
        stamp, count = stream.choice(SPECKS), stream.integer(2, 7)
        side = len(stamp)
        top, left = stream.integers(count, 0, height - side), stream.integers(count, 0, width - side)
        alpha = np.zeros((height, width), np.int32)
        for down, row in enumerate(stamp):
            for right, cover in enumerate(row):
                alpha[top + down, left + right] = cover
        _blend_spots(canvas, clutter_colour(stream), alpha)


def _blend_spots(canvas: npt.NDArray[np.int32], colour: npt.NDArray[np.int32], alpha: Plane) -> None:
    """`blend` where `alpha` is hardly anywhere above 0: quicker, to the same integers."""
    spots = np.nonzero(alpha)
    picked = canvas[spots]
    blend(picked[:, None], colour, alpha[spots][:, None])
    canvas[spots] = picked


def _scatter_lines(canvas: npt.NDArray[np.int32], stream: Stream) -> None:
    height, width = canvas.shape[:2]
    for _ in range(height * width // LINE_AREA):
        _draw_line(canvas, stream.integer(0, width - 1), stream.integer(0, height - 1), stream)


def _draw_line(canvas: npt.NDArray[np.int32], x_middle: int, y_middle: int, stream: Stream) -> None:
    """A straight scratch, 8 to 44 pixels long and 1 to 2 pixels wide, through (x_middle, y_middle)."""
    half_length, half_width = stream.integer(4, 22), stream.integer(32, 64)
    direction = stream.integer(0, 359)
    left, top = max(0, x_middle - half_length), max(0, y_middle - half_length)
    window = canvas[top : y_middle + half_length + 1, left : x_middle + half_length + 1]
    x, y = grid(left - x_middle, top - y_middle, window.shape[1], window.shape[0])
    ends = np.int32(half_length * PIXEL) - np.abs(along(x, y, direction))
    sides = np.int32(half_width) - np.abs(along(x, y, direction + 90))
    alpha = coverage(np.minimum(ends, sides)) * np.int32(stream.integer(20, 56)) // np.int32(PIXEL)
    blend(window, clutter_colour(stream), alpha)
