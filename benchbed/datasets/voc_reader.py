"""PASCAL VOC 2012 as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.label_png import label_table, read_label_png, to_labels
from benchbed.datasets.pair_reader import ListedPairs, Part
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


class VocDataset(ListedPairs):
    """The images that a split's list names, whole or in part.

    Args:
        folder: where they are.
        split: the list.
        card: the form: 20 classes, or 21 with background.

    Raises:
        DataError: the list is malformed, longer than the official one, or names files that are not there.
    """

    def __init__(self, folder: VocFolder, split: str = DATASET.split, card: DatasetCard = DATASET) -> None:
        ids = folder.names(split)
        if len(ids) > FULL_SIZES[split]:
            raise DataError(
                f"{folder.list_file(split)} names {len(ids):,} images: "
                f"the official {split} has {FULL_SIZES[split]:,}, so this is another list; {HOW_TO_GET}"
            )
        self._table = TABLE_21 if len(card.names) == 21 else TABLE
        part = Part(split, FULL_SIZES[split], f"{card.name} 2012 {split}", named=split != DATASET.split)
        super().__init__(card, part, folder, ids, folder.file_sizes(ids, split))

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
