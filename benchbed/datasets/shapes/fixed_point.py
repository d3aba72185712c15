"""Fixed-point geometry: lengths in 1/64 pixel, angles in whole degrees, unit vectors in 2**-14, all int32.

Floating point differs in its last bit between machines and libraries; integers don't. Bounds: coordinates
stay below 256 pixels (2**14 in 1/64 pixel), so a product with a unit vector stays below 2**28 and a squared
length below 2**29.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.int32]
"""A plane of integers `[h, w]`: distances, coverages or levels."""

PIXEL = 64
"""Units in a pixel; also full coverage, so that a distance to an edge is a coverage without a division."""
UNIT_BITS = 14
TURN = 360

# round(2**14 * sin(k degrees)), k = 0 .. 90, as literals: not even libm can change them.
# fmt: off
_QUARTER = (
    0, 286, 572, 857, 1143, 1428, 1713, 1997, 2280, 2563, 2845, 3126, 3406,
    3686, 3964, 4240, 4516, 4790, 5063, 5334, 5604, 5872, 6138, 6402, 6664, 6924,
    7182, 7438, 7692, 7943, 8192, 8438, 8682, 8923, 9162, 9397, 9630, 9860, 10087,
    10311, 10531, 10749, 10963, 11174, 11381, 11585, 11786, 11982, 12176, 12365, 12551, 12733,
    12911, 13085, 13255, 13421, 13583, 13741, 13894, 14044, 14189, 14330, 14466, 14598, 14726,
    14849, 14968, 15082, 15191, 15296, 15396, 15491, 15582, 15668, 15749, 15826, 15897, 15964,
    16026, 16083, 16135, 16182, 16225, 16262, 16294, 16322, 16344, 16362, 16374, 16382, 16384,
)
# fmt: on


def sine(degrees: int) -> int:
    """round(2**14 * sin(degrees))."""
    degrees %= TURN
    if degrees >= 180:
        return -sine(degrees - 180)
    return _QUARTER[degrees if degrees <= 90 else 180 - degrees]


def cosine(degrees: int) -> int:
    """round(2**14 * cos(degrees))."""
    return sine(degrees + 90)


def along(x: Plane, y: Plane, degrees: int) -> Plane:
    """How far (x, y), broadcast to `[h, w]`, lies along the direction `degrees`: same units as x and y."""
    return (x * np.int32(cosine(degrees)) + y * np.int32(sine(degrees))) >> np.int32(UNIT_BITS)


def grid(left: int, top: int, width: int, height: int) -> tuple[Plane, Plane]:
    """Pixel centres in 1/64 pixel relative to the origin pixel: x `[1, width]`, y `[height, 1]`."""
    x = np.arange(left, left + width, dtype=np.int32) * PIXEL
    y = np.arange(top, top + height, dtype=np.int32) * PIXEL
    return x[None, :], y[:, None]


def integer_root(square: Plane) -> Plane:
    """floor(sqrt(square)) exactly, 0 <= square < 2**30: a float root is the guess, integers correct it."""
    root = np.sqrt(square.astype(np.float64)).astype(np.int32)
    root -= (root * root > square).astype(np.int32)
    root += ((root + 1) * (root + 1) <= square).astype(np.int32)
    return root


def clipped(values: Plane, low: int, high: int) -> Plane:
    """`values` kept between `low` and `high`, as int32."""
    within: Plane = np.minimum(np.maximum(values, np.int32(low)), np.int32(high))
    return within


def coverage(distance: Plane) -> Plane:
    """How much of a pixel lies inside an edge at signed `distance` (positive inside): 0 .. 64."""
    return clipped(distance + np.int32(PIXEL // 2), 0, PIXEL)


def blend(canvas: npt.NDArray[np.int32], colour: npt.NDArray[np.int32], alpha: Plane) -> None:
    """Move `canvas` `[h, w, 3]`, in place, towards `colour` `[3]` or `[h, w, 3]` by `alpha` `[h, w]` / 64."""
    canvas += ((colour - canvas) * alpha[:, :, None]) >> np.int32(6)
