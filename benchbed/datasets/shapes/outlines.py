"""The four outlines as signed distances in integers.

A distance (1/64 pixel, positive inside) says more than a mask: its sign is the label, its clipped value the
coverage of an edge pixel, and a ramp over it the rim of an object or the soft border of a shadow.
"""

from __future__ import annotations

import numpy as np

from benchbed.datasets.shapes.fixed_point import PIXEL, UNIT_BITS, Plane, along, cosine, grid

# Distance from centre to farthest point over the radius of the disc of about equal area, in 1/64: a triangle
# or a star that were only as wide as a disc would show much less of their texture.
REACH = {"triangle": 96, "disc": 64, "square": 81, "star": 92}

# Outward normal of a star's edge, 2**-14, in the frame of its tip at angle 0, for inner radius = outer radius
# / 2: (sin 36 / 2, 1 - cos 36 / 2) / |.|. A pentagram (inner radius 0.38) has arms too thin to carry a
# texture.
STAR_NORMAL = (7251, 14692)


def reach_of(shape: str, radius: int) -> int:
    """Distance from the centre to the farthest point of an outline of size `radius`, both in 1/64 pixel."""
    return radius * REACH[shape] // 64


def signed_distance(shape: str, radius: int, rotation: int, margin: int) -> Plane:
    """Signed distance to an outline, 1/64 pixel, positive inside, centred on the plane: `[2 m + 1, 2 m + 1]`.

    Args:
        shape: one of `classes.SHAPES`.
        radius: radius of the disc of about the same area, 1/64 pixel.
        rotation: degrees, clockwise on the screen.
        margin: pixels around the outline that the plane must also cover; m = reach in whole pixels + margin.

    Near the edge the value is the Euclidean distance to within 2 / 64 pixel; outside corners it falls short
    of it.
    """
    reach = reach_of(shape, radius)
    half = (reach + PIXEL - 1) // PIXEL + margin
    x, y = grid(-half, -half, 2 * half + 1, 2 * half + 1)
    return _OUTLINES[shape](x, y, reach, rotation)


def _triangle(x: Plane, y: Plane, reach: int, rotation: int) -> Plane:
    sides = [along(x, y, rotation + turn) for turn in (90, 210, 330)]
    outermost: Plane = np.maximum(np.maximum(sides[0], sides[1]), sides[2])
    return np.int32(reach // 2) - outermost


def _disc(x: Plane, y: Plane, reach: int, rotation: int) -> Plane:
    # (R^2 - r^2) / 2R = (R - r)(R + r) / 2R: equals R - r at the edge, without a root.
    return (np.int32(reach * reach) - x * x - y * y) // np.int32(2 * reach)


def _square(x: Plane, y: Plane, reach: int, rotation: int) -> Plane:
    half_side = (reach * cosine(45)) >> UNIT_BITS
    farther: Plane = np.maximum(np.abs(along(x, y, rotation)), np.abs(along(x, y, rotation + 90)))
    return np.int32(half_side) - farther


def _star(x: Plane, y: Plane, reach: int, rotation: int) -> Plane:
    """Fold the plane onto the sector of the nearest of the five tips; there the star is one straight edge."""
    ahead = along(x, y, rotation - 90)
    aside: Plane = np.abs(along(x, y, rotation))
    for tip in range(rotation - 90 + 72, rotation - 90 + 360, 72):
        other = along(x, y, tip)
        aside = np.where(other > ahead, np.abs(along(x, y, tip + 90)), aside)
        ahead = np.maximum(other, ahead)
    across, upward = STAR_NORMAL
    within: Plane = (np.int32(reach) - ahead) * np.int32(across) - aside * np.int32(upward)
    return within >> np.int32(UNIT_BITS)


_OUTLINES = {"triangle": _triangle, "disc": _disc, "square": _square, "star": _star}
