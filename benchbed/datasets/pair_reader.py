"""Photos and label maps, one file each a sample, as the bench reads them: NumPy and PIL alone, strict about every file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.file_dataset import FileDataset
from benchbed.datasets.pair_folder import PairFolder
from benchbed.errors import DataError


class PairFiles(Protocol):
    """Where the files are."""

    @property
    def root(self) -> Path:
        """The folder that holds both photos and label maps."""
        ...

    def image(self, name: str) -> Path:
        """The photo of an id."""
        ...

    def mask(self, name: str) -> Path:
        """The label map of an id."""
        ...


@dataclass(frozen=True)
class Part:
    """One official part of a dataset.

    Attributes:
        name: as people call it, e.g. "val2017".
        full_size: how many images it has; 0 where nobody says.
        kind: the first line of its `identity`.
        named: whether `coverage()` names it: a part that is not the one to evaluate on.
    """

    name: str
    full_size: int
    kind: str
    named: bool = False


class ListedPairs(FileDataset):
    """Samples of one part, one photo and one label map each; a reader says what label maps store.

    Args:
        card: the dataset.
        part: the part.
        folder: where its files are.
        ids: of the samples, in order.
        sizes: bytes of photo and label map of each.
    """

    def __init__(
        self,
        card: DatasetCard,
        part: Part,
        folder: PairFiles,
        ids: tuple[str, ...],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        self.card = card
        self.part = part
        self.files = folder
        self._ids = ids
        self._sizes = sizes

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids: the photos' names without their ending, in the order of the list, or sorted."""
        return self._ids

    @property
    def root(self) -> Path:
        """The folder that holds both photos and label maps."""
        return self.files.root

    @property
    def identity(self) -> str:
        """SHA-256 over the part, the ids in order, and the byte sizes of every photo and label map.

        Sizes instead of contents keep opening cheap on a slow disk: a re-encoded image or a redrawn mask
        changes its size; an edit that keeps the size to the byte goes unnoticed.
        """
        lines = [self.part.kind]
        lines += [
            f"{name} {photo} {mask}" for name, (photo, mask) in zip(self._ids, self._sizes, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def photo_file(self, index: int) -> Path:
        """The photo of a sample."""
        return self.files.image(self._ids[index])

    def mask_file(self, index: int) -> Path:
        """The label map of a sample."""
        return self.files.mask(self._ids[index])

    def coverage(self, used: int | None = None) -> str:
        """How much of the official part this is."""
        name = f" of {self.part.name}" if self.part.named else ""
        return f"{len(self) if used is None else used:,} of {self.part.full_size or len(self):,} images{name}"


class PairDataset(ListedPairs):
    """The images of a part that are there, in one of the layouts.

    Args:
        card: the dataset.
        folder: photos, label maps, and what these store.
        part: the part; the card's own where none is given.

    Raises:
        DataError: there are none, more than the official part has, or some lack a file.
    """

    def __init__(self, card: DatasetCard, folder: PairFolder, part: Part | None = None) -> None:
        part = part or Part(card.split, card.full_size, f"{card.name} {card.split}")
        ids = folder.names()
        if part.full_size and len(ids) > part.full_size:
            raise DataError(
                f"{folder.images} has {len(ids):,} images of {card.name}: the official {part.name} has "
                f"{part.full_size:,}, so there are others among them; take them out"
            )
        self.folder = folder
        super().__init__(card, part, folder, ids, folder.file_sizes(ids))

    def labels(self, index: int) -> NDArray[np.integer]:
        """The labels of one sample alone; its photo is not read.

        Raises:
            DataError: the file is damaged, no label file, or holds labels out of range.
            IndexError: no such sample.
        """
        return self.folder.layout.rule.read(self.mask_file(index))
