"""A dataset of photos and label maps in two folders, as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.file_dataset import FileDataset
from benchbed.datasets.pair_folder import PairFolder
from benchbed.errors import DataError


class PairDataset(FileDataset):
    """The images of a split that are there.

    Raises:
        DataError: there are none, more than the official split has, or some lack a file.
    """

    def __init__(self, card: DatasetCard, folder: PairFolder) -> None:
        self.card = card
        self.folder = folder
        self._ids = folder.names()
        if card.full_size and len(self._ids) > card.full_size:
            raise DataError(
                f"{folder.images} has {len(self._ids):,} images of {card.name}: the official {card.split} has "
                f"{card.full_size:,}, so there are others among them; take them out"
            )
        self._sizes = folder.file_sizes(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids: the photos' names without their ending."""
        return self._ids

    @property
    def root(self) -> Path:
        """The folder that holds both photos and label maps."""
        return self.folder.root

    @property
    def identity(self) -> str:
        """SHA-256 over the dataset, the ids in order, and the byte sizes of every photo and label map."""
        lines = [f"{self.card.name} {self.card.split}"]
        lines += [
            f"{name} {photo} {mask}" for name, (photo, mask) in zip(self._ids, self._sizes, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def photo_file(self, index: int) -> Path:
        """The photo of a sample."""
        return self.folder.image(self._ids[index])

    def mask_file(self, index: int) -> Path:
        """The label map of a sample."""
        return self.folder.mask(self._ids[index])

    def labels(self, index: int) -> NDArray[np.integer]:
        """The labels of one sample alone; its photo is not read.

        Raises:
            DataError: the file is damaged, no label file, or holds labels out of range.
            IndexError: no such sample.
        """
        return self.folder.layout.rule.read(self.mask_file(index))
