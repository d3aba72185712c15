"""A method's colour and marker: the same in every plot of every report."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from benchbed.registry import METHOD_GROUP

# Okabe and Ito, "Color Universal Design" (2008), without yellow, which is too pale for lines on white, but with a near-black
# and a brown: any two are 0.076 or more apart in OKLab for red-green and blue-yellow blind eyes too.
COLOURS: Final = (
    "#e69f00",
    "#0072b2",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#56b4e9",
    "#222222",
    "#774444",
)
# A family is a shape; of methods that share a colour the second gets the family's second shape.
MARKERS: Final = {
    "pixel": ("s", "P", "X"),
    "two-stream": ("o", "h", "8"),
    "single-pass": ("^", "v", "<"),
    "": ("D", "d", "*"),
}
OURS: Final = "benchbed"
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Look:
    """A colour "#rrggbb" and a marker of matplotlib's."""

    colour: str
    marker: str


def look_of(method: str, family: str = "", colour: str = "") -> Look:
    """The look of a method, given without variant.

    Methods that ship with benchbed come first, in the order of their names, so that each has a colour of its own; a plug-in has
    the colour of its card, and where that names none, one that follows from its name.

    Args:
        method: its name.
        family: decides the marker.
        colour: what its card says; anything but "#rrggbb" is as if it said nothing.
    """
    ours = _ours()
    slot = ours.index(method) if method in ours else _hashed(method)
    shapes = MARKERS.get(family, MARKERS[""])
    own = colour.lower() if _COLOUR.fullmatch(colour) else COLOURS[slot % len(COLOURS)]
    return Look(own, shapes[slot // len(COLOURS) % len(shapes)])


@cache
def _ours() -> tuple[str, ...]:
    found = [point for point in entry_points(group=METHOD_GROUP) if point.dist and point.dist.name == OURS]
    return tuple(sorted({point.name for point in found}))


def _hashed(method: str) -> int:
    """A place behind ours: another shape than theirs."""
    number = int.from_bytes(hashlib.sha256(method.encode()).digest()[:4])
    return len(COLOURS) + number % (2 * len(COLOURS))
