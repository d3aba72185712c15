"""A person's photos as a dataset without ground truth, so that methods meet them as they meet any other images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchbed.datasets.dataset import Dataset, DatasetCard, Sample
from benchbed.photo import read_any_photo
from benchbed.vocabulary import Vocabulary

IGNORE: Final = 255


class Photos(Dataset):
    """Photos in the order given; the classes are a person's words; every pixel's label is `ignore`."""

    def __init__(self, paths: Sequence[Path], vocabulary: Vocabulary) -> None:
        """Take files, which are read when asked for, and the classes."""
        self.paths = tuple(paths)
        self.card = DatasetCard(
            name="photos",
            title="photos given on the command line",
            names=vocabulary.names,
            seen=vocabulary.seen,
            full_size=len(self.paths),
            split="given",
            open="",
            source="",
            layout="",
            terms="yours",
            protocol_notes=(),
            matched_sides=(512, 2048),
            ignore=IGNORE,
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The files as they were given."""
        return tuple(str(path) for path in self.paths)

    @property
    def identity(self) -> str:
        """SHA-256 over the files' content, in order."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def sample(self, index: int) -> Sample:
        """Read one photo.

        Raises:
            DataError: it cannot be read.
        """
        image = read_any_photo(self.paths[index])
        return Sample(self.ids[index], image, np.full(image.shape[:2], IGNORE, np.uint8))
