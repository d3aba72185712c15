"""The five textures: where an object shows its second colour, as coverage 0 .. 64 a pixel.

A texture has its own direction and scale, independent of the object's rotation, and edges softened over one
pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbed.datasets.shapes.fixed_point import PIXEL, Plane, along, coverage, integer_root
from benchbed.datasets.shapes.random_stream import Stream

# Period of the stripes in 1/64 pixel: never so fine that a small network's first stride swallows it.
MIN_PERIOD = 7 * PIXEL
MAX_PERIOD = 16 * PIXEL
# In 1/8 of the stripes' period: checks and dots repeat in two directions and need a longer one for the same
# visible size; rings have only half an object's width to repeat in.
PERIOD_EIGHTHS = {"plain": 8, "striped": 8, "checkered": 11, "dotted": 9, "ringed": 7}


@dataclass(frozen=True)
class Texture:
    """One object's texture: its name, period (1/64 pixel), direction (degrees) and shift (1/64 pixel)."""

    name: str
    period: int
    direction: int
    shift: int

    @classmethod
    def draw(cls, name: str, radius: int, stream: Stream) -> Texture:
        """A texture that repeats three to five times across an object of size `radius` (1/64 pixel)."""
        period = stream.integer(radius * 40 // 100, radius * 65 // 100)
        period = min(max(period, MIN_PERIOD), MAX_PERIOD) * PERIOD_EIGHTHS[name] // 8
        return cls(name, period, stream.integer(0, 359), stream.integer(0, period - 1))

    def coverage(self, x: Plane, y: Plane) -> Plane:
        """Coverage 0 .. 64 `[h, w]` of the second colour at (x, y), 1/64 pixel from the object's centre."""
        if self.name == "plain":
            return np.zeros(np.broadcast_shapes(x.shape, y.shape), np.int32)
        if self.name == "ringed":  # around the centre; the shift moves the rings out or in
            return coverage(_bands(integer_root(x * x + y * y) + np.int32(self.shift), self.period))
        u = along(x, y, self.direction) + np.int32(self.shift)
        if self.name == "striped":
            return coverage(_bands(u, self.period))
        v = along(x, y, self.direction + 90)
        return coverage(_checks(u, v, self.period) if self.name == "checkered" else _dots(u, v, self.period))


def _bands(u: Plane, period: int) -> Plane:
    """Signed distance to bands half a period wide, positive inside them."""
    from_middle: Plane = np.abs(u % np.int32(period) - np.int32(period // 2))
    return from_middle - np.int32(period // 4)


def _checks(u: Plane, v: Plane, period: int) -> Plane:
    across, down = _bands(u, period), _bands(v, period)
    nearest = np.minimum(np.abs(across), np.abs(down))
    return np.where((across < 0) == (down < 0), nearest, -nearest)


def _dots(u: Plane, v: Plane, period: int) -> Plane:
    """Signed distance to dots of 0.31 periods on a grid, every other row shifted by half a period."""
    row = v // np.int32(period)
    dot = np.int32(period * 31 // 100)
    across = (u + (row & np.int32(1)) * np.int32(period // 2)) % np.int32(period) - np.int32(period // 2)
    down = v - row * np.int32(period) - np.int32(period // 2)
    return (dot * dot - across * across - down * down) // (np.int32(2) * dot)
