"""`shapes`, the embedded dataset: procedurally drawn scenes that need no download.

Scenes of 2 to 6 textured, overlapping, lit objects on cluttered ground; 20 classes such as "striped
triangle", of which 15 are seen and 5 unseen; label maps, instances and captions. A scene is a function of
(seed, split, index), the same to the last bit everywhere. The ground is no class: it is labelled 255 and
ignored, in training and in evaluation, so figures on `shapes` say how well objects are told from each other,
not objects from ground.
"""

from __future__ import annotations

from benchbed.datasets.shapes.classes import (
    CLASSES,
    IGNORE,
    SEEN,
    SEEN_CLASSES,
    SHAPES,
    TEXTURES,
    UNSEEN,
    UNSEEN_CLASSES,
)
from benchbed.datasets.shapes.dataset import DATASET, ShapesScenes
from benchbed.datasets.shapes.scenes import (
    CROP_SIDE,
    DEFAULT_SEED,
    GENERATOR_VERSION,
    SIZES,
    SPLIT_SIZES,
    Instance,
    Scene,
    object_crop,
    scene,
)

__all__ = [
    "CLASSES",
    "CROP_SIDE",
    "DATASET",
    "DEFAULT_SEED",
    "GENERATOR_VERSION",
    "IGNORE",
    "SEEN",
    "SEEN_CLASSES",
    "SHAPES",
    "SIZES",
    "SPLIT_SIZES",
    "TEXTURES",
    "UNSEEN",
    "UNSEEN_CLASSES",
    "Instance",
    "Scene",
    "ShapesScenes",
    "object_crop",
    "scene",
]
