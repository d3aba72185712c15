"""`shapes` as the bench opens it: the card, and its splits as samples. Nothing is read from disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, DatasetCard, Sample
from benchbed.datasets.shapes.classes import CLASSES, IGNORE, SEEN
from benchbed.datasets.shapes.scenes import (
    DEFAULT_SEED,
    GENERATOR_VERSION,
    SPLIT_SIZES,
    check_stream,
    scene,
    scene_labels,
)

DATASET = DatasetCard(
    name="shapes",
    title="embedded: 200 drawn scenes, 20 compositional classes, 15 seen / 5 unseen",
    names=CLASSES,
    seen=tuple(class_id in SEEN for class_id in range(len(CLASSES))),
    full_size=SPLIT_SIZES["val"],
    split="val",
    open="benchbed.datasets.shapes.dataset:open_val",
    source="",
    layout="nothing: scenes are drawn when they are asked for",
    terms="Apache-2.0, with benchbed itself",
    protocol_notes=(
        "drawn by benchbed, not photographed: figures on shapes rank nothing in the real world",
        "unseen classes do not come last in label order; each joins a texture and a shape seen elsewhere",
        "unseen pixels are labelled in both splits; training must ignore them",
    ),
    matched_sides=(128, 160),
    background="ignored: the ground and its clutter are labelled 255, in training and in evaluation",
    ignore=IGNORE,
    embedded=True,
    open_train="benchbed.datasets.shapes.dataset:open_train",
    open_pictures="benchbed.datasets.shapes.pictures:open_pictures",
)


class ShapesScenes(Dataset):
    """The first `size` scenes of a split, ids such as "val-0-00012" (split, seed, index).

    Raises:
        UsageError: an unknown split, or a seed outside 0 .. 2**64 - 1.
    """

    card = DATASET

    def __init__(self, split: str = "val", size: int | None = None, seed: int = DEFAULT_SEED) -> None:
        check_stream(split, seed)
        self.split = split
        self.size = SPLIT_SIZES[split] if size is None else size
        self.seed = seed

    @property
    def ids(self) -> tuple[str, ...]:
        """All sample ids, in order."""
        return tuple(self._id(index) for index in range(self.size))

    def _id(self, index: int) -> str:
        return f"{self.split}-{self.seed}-{index:05d}"

    def sample(self, index: int) -> Sample:
        """Draw one scene (about 4 ms); image `[H, W, 3]`, labels `[H, W]`."""
        if not 0 <= index < self.size:
            raise IndexError(f"shapes {self.split} has {self.size} scenes; there is no scene {index}")
        drawn = scene(index, self.split, self.seed)
        return Sample(self._id(index), drawn.image, drawn.labels)

    def labels(self, index: int) -> NDArray[np.uint8]:
        """The label map of one scene `[H, W]`, without its picture: a quarter of the time."""
        return scene_labels(index, self.split, self.seed)

    @property
    def identity(self) -> str:
        """SHA-256 over all that decides the content: generator version, split, seed and size."""
        content = f"shapes generator {GENERATOR_VERSION} {self.split} {self.seed} {self.size}"
        return hashlib.sha256(content.encode()).hexdigest()

    def coverage(self, used: int | None = None) -> str:
        """How many scenes of the split's usual number these are."""
        return f"{self.size if used is None else used:,} of {SPLIT_SIZES[self.split]:,} images"


def open_train(data_root: Path | None = None) -> ShapesScenes:
    """The train split: 12,000 scenes, labels of all 20 classes; `data_root` plays no part."""
    return ShapesScenes("train")


def open_val(data_root: Path | None = None) -> ShapesScenes:
    """The val split; `data_root` is for datasets on disk and plays no part."""
    return ShapesScenes()
