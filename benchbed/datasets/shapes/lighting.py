"""Light from one side: a gradient over the scene, shading over each object, and a soft shadow beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbed.datasets.shapes.fixed_point import PIXEL, UNIT_BITS, Plane, along, clipped, cosine, grid, sine
from benchbed.datasets.shapes.random_stream import Stream

FULL = 256
"""A light level of 1.0."""
RIM = 3 * PIXEL
"""Width of the bevel along an object's outline, 1/64 pixel."""


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        direction: where the light comes from, degrees, clockwise on the screen from the right.
        level: light level in the middle of the scene, 1/256.
        fall: how much the level rises from the middle to the lit corner, 1/256.
        length: how far a shadow falls, pixels.
        softness: half the width of a shadow's border, 1/64 pixel.
        depth: how much light a shadow takes away, 1/256.
    """

    direction: int
    level: int
    fall: int
    length: int
    softness: int
    depth: int

    @classmethod
    def draw(cls, stream: Stream) -> Light:
        """A light from any side, between dull and bright."""
        return cls(
            direction=stream.integer(0, 359),
            level=stream.integer(232, 284),
            fall=stream.integer(12, 52),
            length=stream.integer(3, 7),
            softness=stream.integer(2, 5) * PIXEL,
            depth=stream.integer(70, 120),
        )

    def over_scene(self, height: int, width: int) -> Plane:
        """Light level at every pixel, 1/256: `[height, width]`."""
        x, y = grid(-(width // 2), -(height // 2), width, height)
        half_diagonal = (width + height) * PIXEL // 2
        return np.int32(self.level) + along(x, y, self.direction) * np.int32(self.fall) // np.int32(
            half_diagonal
        )

    def over_object(self, distance: Plane, x: Plane, y: Plane, reach: int) -> Plane:
        """Light level on an object `[h, w]`, 1/256: brighter towards the light, darker along the rim."""
        slope = along(x, y, self.direction) * np.int32(44) // np.int32(reach)
        rim = clipped(np.int32(RIM) - distance, 0, RIM) * np.int32(60) // np.int32(RIM)
        return np.int32(FULL + 8) + slope - rim

    def shadow_offset(self) -> tuple[int, int]:
        """Where a shadow lies from its object: (right, down) in whole pixels."""
        half = 1 << (UNIT_BITS - 1)
        right = (-self.length * cosine(self.direction) + half) >> UNIT_BITS
        down = (-self.length * sine(self.direction) + half) >> UNIT_BITS
        return right, down

    def shadow(self, distance: Plane) -> Plane:
        """Light level that a shadow leaves, 1/256 `[h, w]`, from the signed distance to what casts it."""
        ramp = clipped(distance + np.int32(self.softness), 0, 2 * self.softness)
        return np.int32(FULL) - ramp * np.int32(self.depth) // np.int32(2 * self.softness)
