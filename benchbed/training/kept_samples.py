"""A dataset that keeps what it has read or drawn: worth it where samples are few and small."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, Sample


@runtime_checkable
class ReadsLabelsAlone(Protocol):
    """A dataset that can read a label map without decoding its photo."""

    def labels(self, index: int) -> NDArray[np.integer]:
        """[H, W], as `Sample.labels`."""


class KeptSamples(Dataset):
    """Every sample of `dataset` is read once and then kept in memory, arrays write-protected.

    2,000 scenes of `shapes` take about 150 MB. Loading workers each have their own copies, unless all samples were read
    (`preload`) before the workers were forked.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.card = dataset.card
        self._kept: dict[int, Sample] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Those of the dataset."""
        return self.dataset.ids

    @property
    def identity(self) -> str:
        """That of the dataset."""
        return self.dataset.identity

    @property
    def root(self) -> Path | None:
        """That of the dataset."""
        return self.dataset.root

    def __len__(self) -> int:
        return len(self.dataset)

    def coverage(self, used: int | None = None) -> str:
        """That of the dataset."""
        return self.dataset.coverage(used)

    def sample(self, index: int) -> Sample:
        """Read one sample, or return the one read before."""
        if index not in self._kept:
            read = self.dataset.sample(index)
            read.image.setflags(write=False)
            read.labels.setflags(write=False)
            self._kept[index] = read
        return self._kept[index]

    def labels(self, index: int) -> NDArray[np.integer]:
        """One label map `[H, W]`; of a dataset that can read it alone, the photo is neither read nor kept."""
        if index not in self._kept and isinstance(self.dataset, ReadsLabelsAlone):
            return self.dataset.labels(index)
        return self.sample(index).labels

    def preload(self) -> KeptSamples:
        """Read all of them now; returns itself."""
        for index in range(len(self)):
            self.sample(index)
        return self
