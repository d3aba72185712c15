"""`shapes`, the embedded dataset, as the bench runs it: the card, and the generator's scenes as samples."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from benchbed.datasets.dataset import Dataset, DatasetCard, Sample
from benchbed.datasets.shapes import (
    CLASSES,
    DEFAULT_SEED,
    GENERATOR_VERSION,
    IGNORE,
    SEEN,
    SPLIT_SIZES,
    UNSEEN_CLASSES,
    scene,
)

DATASET: Final = DatasetCard(
    name="shapes",
    title="drawn scenes, made here, 20 classes, 15 seen / 5 unseen; ranks nothing in the real world",
    names=CLASSES,
    seen=tuple(index in SEEN for index in range(len(CLASSES))),
    full_size=SPLIT_SIZES["val"],
    split="val",
    open="benchbed.datasets.shapes_dataset:open_shapes",
    source="",
    layout="nothing: the scenes are drawn when they are asked for",
    terms="made by this package, under its licence (Apache-2.0)",
    protocol_notes=(
        "The ground and its clutter are no class: they are labelled 255 and ignored.",
        f"Unseen are {', '.join(UNSEEN_CLASSES)}: each joins a texture and a shape seen elsewhere.",
        "The unseen classes do not come last in label order.",
        "All 20 classes compete at every pixel, seen and unseen alike (generalised zero-shot).",
        "Predictions on ignored pixels count for nothing, not even as false positives.",
        "Scenes are drawn, not photographed: figures on shapes rank nothing in the real world.",
    ),
    # Scenes have sides of 112 to 160 pixels: a short side of 128 shows them at about their own size.
    matched_sides=(128, 256),
    ignore=IGNORE,
    embedded=True,
)


class ShapesDataset(Dataset):
    """The first `count` scenes of a split; every scene is drawn anew, to the same bytes, whenever it is read.

    Args:
        split: "val" or "train".
        count: how many scenes; None for the split's usual number.
        seed: of the generator.

    Raises:
        ValueError: an unknown split, or fewer than one scene.
    """

    card = DATASET

    def __init__(
        self, split: str = DATASET.split, count: int | None = None, seed: int = DEFAULT_SEED
    ) -> None:
        if split not in SPLIT_SIZES:
            raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLIT_SIZES)}")
        self.split = split
        self.seed = seed
        self._count = SPLIT_SIZES[split] if count is None else count
        if self._count < 1:
            raise ValueError(f"count is {count}; expected 1 scene or more")

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids such as "val_0007": the split and the scene's index."""
        return tuple(f"{self.split}_{index:04d}" for index in range(self._count))

    @property
    def identity(self) -> str:
        """SHA-256 over the generator's version, seed, split and number of scenes, which fix every pixel."""
        fixed = (
            f"shapes generator {GENERATOR_VERSION} seed {self.seed} split {self.split} count {self._count}"
        )
        return hashlib.sha256(fixed.encode()).hexdigest()

    def __len__(self) -> int:
        return self._count

    def sample(self, index: int) -> Sample:
        """Draw scene `index`: image [H, W, 3] uint8 RGB, labels [H, W] uint8 (0..19, 255 for the ground).

        Raises:
            IndexError: no such scene.
        """
        index = range(self._count)[index]
        drawn = scene(index, self.split, self.seed)
        return Sample(self.ids[index], drawn.image, drawn.labels)


def open_shapes(data_root: Path | None) -> ShapesDataset:
    """The 200 validation scenes; `data_root` is ignored, as it may be meant for another dataset."""
    return ShapesDataset()
