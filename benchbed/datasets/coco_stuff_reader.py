"""COCO-Stuff 164k as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.coco_stuff import DATASET
from benchbed.datasets.coco_stuff_classes import NEVER, RAW
from benchbed.datasets.coco_stuff_folder import CocoStuffFolder
from benchbed.datasets.file_dataset import FileDataset
from benchbed.datasets.label_png import label_table, read_label_png, to_labels
from benchbed.errors import DataError

TABLE: Final = label_table({255: 255} | {raw: label for label, raw in enumerate(RAW)})
_EXPECTED: Final = f"a raw COCO-Stuff id, 0 to 181 without {', '.join(map(str, NEVER))}, which never occur, or 255 (unlabelled)"
# Images of COCO 2017, which COCO-Stuff 164k labels.
FULL_SIZES: Final = {"val": DATASET.full_size, "train": 118287}


class CocoStuffDataset(FileDataset):
    """The photos of a split that are there, in the order of their ids.

    Raises:
        DataError: there are none, more than the official split has, or some without a label map.
    """

    card = DATASET

    def __init__(self, folder: CocoStuffFolder) -> None:
        self.folder = folder
        self._sizes = folder.file_sizes()
        self._ids = tuple(self._sizes)
        if len(self._ids) > FULL_SIZES[folder.split]:
            raise DataError(
                f"{folder.images} holds {len(self._ids):,} photos: the official {folder.split}2017 has "
                f"{FULL_SIZES[folder.split]:,}, so there are others among them; take them out"
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids such as "000000000139", ascending."""
        return self._ids

    @property
    def root(self) -> Path:
        """The folder that holds both photos and label maps."""
        return self.folder.root

    @property
    def identity(self) -> str:
        """SHA-256 over the split, the ids, and the byte sizes of every photo and label map."""
        lines = [f"coco-stuff 164k {self.folder.split}2017"]
        lines += [f"{name} {image} {mask}" for name, (image, mask) in self._sizes.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def photo_file(self, index: int) -> Path:
        """The photo of a sample."""
        return self.folder.image(self._ids[index])

    def mask_file(self, index: int) -> Path:
        """The label map of a sample."""
        return self.folder.mask(self._ids[index])

    def labels(self, index: int) -> NDArray[np.uint8]:
        """The labels of one sample alone; its photo is not read.

        Raises:
            DataError: the file is damaged, no label PNG, or holds labels out of range.
            IndexError: no such sample.
        """
        return to_labels(read_label_png(self.mask_file(index)), TABLE, _EXPECTED)

    def coverage(self, used: int | None = None) -> str:
        """How much of the official split this is; the training split is named."""
        split = self.folder.split
        name = "" if split == DATASET.split else f" of {split}2017"
        return f"{len(self) if used is None else used:,} of {FULL_SIZES[split]:,} images{name}"
