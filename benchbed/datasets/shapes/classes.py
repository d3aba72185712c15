"""The 20 classes of `shapes`: five textures times four shapes, 15 seen and 5 unseen.

Every unseen class is made of a texture and a shape that are both seen elsewhere, each in at least three seen
classes: what is asked of a method is to put known parts together, not to guess unknown ones. One class of
each texture is unseen.
"""

from __future__ import annotations

TEXTURES = ("plain", "striped", "checkered", "dotted", "ringed")
SHAPES = ("triangle", "disc", "square", "star")

CLASSES = tuple(f"{texture} {shape}" for texture in TEXTURES for shape in SHAPES)
"""Class names; a class's id (0 .. 19) is its place here."""

UNSEEN_CLASSES = ("plain triangle", "striped triangle", "checkered disc", "dotted star", "ringed square")
SEEN_CLASSES = tuple(name for name in CLASSES if name not in UNSEEN_CLASSES)

UNSEEN = tuple(CLASSES.index(name) for name in UNSEEN_CLASSES)
"""Ids of the unseen classes, ascending. They lie scattered: nothing may rely on unseen ones coming last."""
SEEN = tuple(CLASSES.index(name) for name in SEEN_CLASSES)
"""Ids of the seen classes, ascending."""

IGNORE = 255
"""Label of the ground and its clutter: not a class, and left out of training and evaluation."""


def texture_of(class_id: int) -> str:
    """The texture of class `class_id`, e.g. "striped"."""
    return TEXTURES[class_id // len(SHAPES)]


def shape_of(class_id: int) -> str:
    """The shape of class `class_id`, e.g. "triangle"."""
    return SHAPES[class_id % len(SHAPES)]
