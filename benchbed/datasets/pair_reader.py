"""A dataset of photos and label maps in two folders, as the bench reads it: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, DatasetCard, Sample
from benchbed.datasets.image_file import read_photo
from benchbed.datasets.matching_sizes import check_sizes
from benchbed.datasets.pair_folder import PairFolder
from benchbed.errors import DataError


class PairDataset(Dataset):
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

    def sample(self, index: int) -> Sample:
        """Read one photo [H, W, 3] uint8 RGB and its labels [H, W], uint8 or uint16 as the card's `ignore` asks for.

        Raises:
            DataError: a file is damaged, no label file, holds labels out of range, or the two differ in size.
            IndexError: no such sample.
        """
        name = self._ids[index]
        image, labels = read_photo(self.folder.image(name)), self.labels(index)
        check_sizes(self.folder.image(name), image, self.folder.mask(name), labels)
        return Sample(name, image, labels)

    def labels(self, index: int) -> NDArray[np.integer]:
        """The labels of one sample alone; its photo is not read.

        Raises:
            DataError: the file is damaged, no label file, or holds labels out of range.
            IndexError: no such sample.
        """
        return self.folder.layout.rule.read(self.folder.mask(self._ids[index]))
