"""PASCAL VOC 2012 as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.file_dataset import FileDataset
from benchbed.datasets.label_png import label_table, read_label_png, to_labels
from benchbed.datasets.voc import DATASET
from benchbed.datasets.voc_folder import HOW_TO_GET, VocFolder
from benchbed.datasets.voc_palette import check_palette
from benchbed.errors import DataError

# SPNet's protocol as zsseg's datasets/prepare_voc_sem_seg.py writes it (`full_clsID_to_trID`): background and
# void are ignored, class k of the mask is label k - 1. mmsegmentation calls it `reduce_zero_label`.
TABLE: Final = label_table({0: 255, 255: 255} | {raw: raw - 1 for raw in range(1, 21)})
# ZS3Net's and mmsegmentation's 21 classes: the stored value is the label.
TABLE_21: Final = label_table({255: 255} | {raw: raw for raw in range(21)})
_EXPECTED: Final = "0 (background), 1 to 20 (the classes) and 255 (void)"
# Images in the official lists; trainaug is VOC's train and SBD without val (mmsegmentation's voc_aug.py, AUG_LEN).
FULL_SIZES: Final = {"val": DATASET.full_size, "train": 1464, "trainaug": 10582}


class VocDataset(FileDataset):
    """The images that a split's list names, whole or in part.

    Args:
        folder: where they are.
        split: the list.
        card: the form: 20 classes, or 21 with background.

    Raises:
        DataError: the list is malformed, longer than the official one, or names files that are not there.
    """

    def __init__(self, folder: VocFolder, split: str = DATASET.split, card: DatasetCard = DATASET) -> None:
        self.card = card
        self.folder = folder
        self._table = TABLE_21 if len(card.names) == 21 else TABLE
        self.split = split
        self._ids = folder.names(split)
        if len(self._ids) > FULL_SIZES[split]:
            raise DataError(
                f"{folder.list_file(split)} names {len(self._ids):,} images: "
                f"the official {split} has {FULL_SIZES[split]:,}, so this is another list; {HOW_TO_GET}"
            )
        self._sizes = folder.file_sizes(self._ids, split)

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids such as "2007_000033", in the order of the list."""
        return self._ids

    @property
    def root(self) -> Path:
        """The folder VOC2012."""
        return self.folder.root

    @property
    def identity(self) -> str:
        """SHA-256 over the form, the split, the ids in order, and the byte sizes of every image and mask.

        Sizes instead of contents keep opening cheap on a slow disk: a re-encoded image or a redrawn mask
        changes its size; an edit that keeps the size to the byte goes unnoticed.
        """
        lines = [f"{self.card.name} 2012 {self.split}"]
        lines += [
            f"{name} {image} {mask}" for name, (image, mask) in zip(self._ids, self._sizes, strict=True)
        ]
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
        mask = read_label_png(self.mask_file(index))
        labels = to_labels(mask, self._table, _EXPECTED)
        check_palette(mask)
        return labels

    def coverage(self, used: int | None = None) -> str:
        """How much of the official list this is; a training list is named."""
        name = "" if self.split == DATASET.split else f" of {self.split}"
        return f"{len(self) if used is None else used:,} of {FULL_SIZES[self.split]:,} images{name}"
