"""Where the objects lie: back to front, overlapping, yet none hidden so far that nobody could name it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchbed.datasets.shapes.classes import CLASSES, shape_of
from benchbed.datasets.shapes.fixed_point import PIXEL, Plane
from benchbed.datasets.shapes.outlines import reach_of, signed_distance
from benchbed.datasets.shapes.random_stream import Stream

MIN_OBJECTS = 2
MAX_OBJECTS = 6
# Radius of the disc of the object's area: 28 to 60 pixels across.
MIN_RADIUS = 14 * PIXEL
MAX_RADIUS = 30 * PIXEL
# An object keeps at least this share of its full area visible (in 1/100), cut off by others and by the
# border.
MIN_VISIBLE_PERCENT = 50
TRIES = 24
MARGIN = 6
"""Pixels around an outline that its distance plane covers, for its shadow's soft border."""

Ids = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """An object in its place.

    Attributes:
        class_id: 0 .. 19.
        centre: (x, y), whole pixels.
        reach: distance from the centre to the farthest point, 1/64 pixel.
        radius: radius of the disc of about the same area, 1/64 pixel.
        distance: signed distance to the outline, `[2 m + 1, 2 m + 1]` around the centre, 1/64 pixel.
        pixels: area in pixels, were nothing in front of it and no border.
    """

    class_id: int
    centre: tuple[int, int]
    reach: int
    radius: int
    distance: Plane
    pixels: int

    @classmethod
    def at(cls, class_id: int, centre: tuple[int, int], radius: int, rotation: int) -> Placed:
        """An object of size `radius` (1/64 pixel) at `centre` (x, y), turned by `rotation` degrees."""
        shape = shape_of(class_id)
        distance = signed_distance(shape, radius, rotation, MARGIN)
        return cls(
            class_id, centre, reach_of(shape, radius), radius, distance, int(np.count_nonzero(distance >= 0))
        )

    def windows(
        self, height: int, width: int, right: int = 0, down: int = 0
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where scene and distance plane, moved by (right, down), meet: in the scene, in the plane."""
        half = self.distance.shape[0] // 2
        rows, plane_rows = _overlap(self.centre[1] + down - half, 2 * half + 1, height)
        columns, plane_columns = _overlap(self.centre[0] + right - half, 2 * half + 1, width)
        return (rows, columns), (plane_rows, plane_columns)


def _overlap(start: int, length: int, limit: int) -> tuple[slice, slice]:
    low, high = max(start, 0), max(min(start + length, limit), 0)
    return slice(low, high), slice(low - start, high - start)


def place_objects(height: int, width: int, stream: Stream) -> tuple[list[Placed], Ids]:
    """Draw 2 to 6 objects.

    Returns:
        the objects from back to front, and a map `[height, width]` of which one is visible: 0 ground, k the
        k-th object.
    """
    wanted = stream.integer(MIN_OBJECTS, MAX_OBJECTS)
    ids: Ids = np.zeros((height, width), np.uint8)
    placed: list[Placed] = []
    for _ in range(wanted):
        class_id = _draw_class(placed, stream)
        for _ in range(TRIES):
            candidate = _draw_place(class_id, placed, height, width, stream)
            if _put(candidate, placed, ids):
                break
    return placed, ids


def _draw_class(placed: list[Placed], stream: Stream) -> int:
    """Any class; one time in ten, if there is one, the class of an object already there."""
    if placed and stream.chance(1, 10):
        return stream.choice(placed).class_id
    return stream.integer(0, len(CLASSES) - 1)


def _draw_place(class_id: int, placed: list[Placed], height: int, width: int, stream: Stream) -> Placed:
    """Anywhere in the scene or, half of the time, close enough to another object to touch or overlap it."""
    radius = stream.integer(MIN_RADIUS, MAX_RADIUS)
    border = radius // PIXEL * 2 // 3
    if placed and stream.chance(1, 2):
        near = stream.choice(placed)
        span = (near.radius + radius) // PIXEL
        x = min(max(near.centre[0] + stream.integer(-span, span), border), width - 1 - border)
        y = min(max(near.centre[1] + stream.integer(-span, span), border), height - 1 - border)
    else:
        x, y = stream.integer(border, width - 1 - border), stream.integer(border, height - 1 - border)
    return Placed.at(class_id, (x, y), radius, stream.integer(0, 359))


def _put(candidate: Placed, placed: list[Placed], ids: Ids) -> bool:
    """Lay the candidate on top, in `placed` and `ids`, unless it or one below it would show too little."""
    scene, plane = candidate.windows(*ids.shape)
    inside = candidate.distance[plane] >= 0
    if np.count_nonzero(inside) * 100 < candidate.pixels * MIN_VISIBLE_PERCENT:
        return False
    covered = ids.copy()
    covered[scene][inside] = len(placed) + 1
    visible = np.bincount(covered.ravel(), minlength=len(placed) + 1)
    if any(visible[k] * 100 < below.pixels * MIN_VISIBLE_PERCENT for k, below in enumerate(placed, start=1)):
        return False
    placed.append(candidate)
    ids[:] = covered
    return True


def place_alone(class_id: int, side: int, stream: Stream) -> tuple[list[Placed], Ids]:
    """One whole object in the middle of a `side` x `side` scene, as large as 44 to 62 % of the side.

    Returns like `place_objects`. At the largest, a triangle's corner still stays a fraction of a pixel inside
    the border.
    """
    radius = stream.integer(side * PIXEL * 22 // 100, side * PIXEL * 31 // 100)
    shift = side // 32
    centre = (side // 2 + stream.integer(-shift, shift), side // 2 + stream.integer(-shift, shift))
    alone = Placed.at(class_id, centre, radius, stream.integer(0, 359))
    ids: Ids = np.zeros((side, side), np.uint8)
    scene, plane = alone.windows(side, side)
    ids[scene][alone.distance[plane] >= 0] = 1
    return [alone], ids
