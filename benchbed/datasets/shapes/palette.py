"""Colours, chosen without regard to the class: a hue says nothing about what an object is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchbed.datasets.shapes.random_stream import Stream

Colour = npt.NDArray[np.int32]
"""Red, green, blue, 0 .. 255: int32 `[3]`."""

# Nine hues, each light and dark. Any light one is at least 45 grey levels (ITU-R BT.601 luma) above any dark
# one, so that every pair of one light and one dark colour shows a texture, also in a shadow.
LIGHT = (
    (244, 128, 112), (248, 170, 84), (248, 222, 108), (146, 212, 122), (116, 210, 202),
    (130, 182, 246), (196, 164, 242), (248, 170, 202), (242, 236, 220),
)  # fmt: skip
DARK = (
    (150, 30, 36), (138, 68, 14), (112, 88, 16), (30, 96, 52), (12, 92, 98),
    (30, 60, 150), (88, 42, 138), (152, 36, 98), (50, 48, 54),
)  # fmt: skip
GROUND = (
    (158, 146, 124), (126, 136, 112), (136, 140, 150), (168, 152, 136), (116, 112, 108),
    (170, 168, 162), (142, 124, 106), (110, 122, 128),
)  # fmt: skip

JITTER = 10


def _jittered(colour: tuple[int, int, int], stream: Stream) -> Colour:
    return np.asarray(colour, np.int32) + stream.integers(3, -JITTER, JITTER)


def object_colours(stream: Stream) -> tuple[Colour, Colour]:
    """A light and a dark colour of independent hues, in random order: an object's first and second colour."""
    light, dark = _jittered(stream.choice(LIGHT), stream), _jittered(stream.choice(DARK), stream)
    return (light, dark) if stream.chance(1, 2) else (dark, light)


def ground_colours(stream: Stream) -> tuple[Colour, Colour]:
    """Two muted colours of the ground."""
    return _jittered(stream.choice(GROUND), stream), _jittered(stream.choice(GROUND), stream)


def clutter_colour(stream: Stream) -> Colour:
    """A colour for specks and lines: one of the objects' hues, so that colour alone marks no object."""
    return _jittered(stream.choice(LIGHT + DARK), stream)
