"""PASCAL VOC 2012 as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from benchbed.datasets.dataset import Dataset, Sample
from benchbed.datasets.image_file import read_photo
from benchbed.datasets.label_png import label_table, read_label_png, to_labels
from benchbed.datasets.voc import DATASET
from benchbed.datasets.voc_folder import HOW_TO_GET, VocFolder
from benchbed.datasets.voc_palette import check_palette
from benchbed.errors import DataError

# SPNet's protocol as zsseg's datasets/prepare_voc_sem_seg.py writes it (`full_clsID_to_trID`): background and
# void are ignored, class k of the mask is label k - 1. mmsegmentation calls it `reduce_zero_label`.
TABLE: Final = label_table({0: 255, 255: 255} | {raw: raw - 1 for raw in range(1, 21)})
_EXPECTED: Final = "0 (background), 1 to 20 (the classes) and 255 (void)"


class VocDataset(Dataset):
    """The images that a split's list names, whole or in part.

    Raises:
        DataError: the list is malformed, longer than the official one, or names files that are not there.
    """

    card = DATASET

    def __init__(self, folder: VocFolder) -> None:
        self.folder = folder
        self._ids = folder.names(DATASET.split)
        if len(self._ids) > DATASET.full_size:
            raise DataError(
                f"{folder.list_file(DATASET.split)} names {len(self._ids):,} images: "
                f"the official {DATASET.split} has {DATASET.full_size:,}, so this is another list; {HOW_TO_GET}"
            )
        self._sizes = folder.file_sizes(self._ids, DATASET.split)

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
        """SHA-256 over the split, the ids in order, and the byte sizes of every image and mask.

        Sizes instead of contents keep opening cheap on a slow disk: a re-encoded image or a redrawn mask
        changes its size; an edit that keeps the size to the byte goes unnoticed.
        """
        lines = [f"voc 2012 {DATASET.split}"]
        lines += [
            f"{name} {image} {mask}" for name, (image, mask) in zip(self._ids, self._sizes, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def sample(self, index: int) -> Sample:
        """Read one photo [H, W, 3] uint8 RGB and its labels [H, W] uint8 (0..19, 255 ignored).

        Raises:
            DataError: a file is damaged, no label PNG, holds labels out of range, or the two differ in size.
            IndexError: no such sample.
        """
        name = self._ids[index]
        image_path, mask_path = self.folder.image(name), self.folder.mask(name)
        image, mask = read_photo(image_path), read_label_png(mask_path)
        if image.shape[:2] != mask.indices.shape:
            raise DataError(
                f"{image_path} is {_size(image.shape)} "
                f"but its mask {mask_path} is {_size(mask.indices.shape)} (width x height): "
                "equal sizes are expected; put the dataset's own pair there"
            )
        labels = to_labels(mask, TABLE, _EXPECTED)
        check_palette(mask)
        return Sample(name, image, labels)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
