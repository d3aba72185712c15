"""`benchbed data check`: every file of a dataset read once, and each bad one named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset
from benchbed.errors import DataError
from benchbed.progress import Reporter

# Samples that are decoded ahead of the one that is looked at, a worker.
_AHEAD: Final = 4


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        images: how many were read.
        bad: one line a bad file: what is wrong with it.
        labelled: pixels of each class over all images, [K] int64.
    """

    images: int
    bad: tuple[str, ...]
    labelled: NDArray[np.int64]


def check_dataset(dataset: Dataset, reporter: Reporter) -> Checked:
    """Read every photo and label map of an opened dataset."""
    bad: list[str] = []
    labelled = np.zeros(len(dataset.card.names), np.int64)
    with reporter.task(f"{dataset.card.name}: reading every file", len(dataset)) as tick:
        for done, found in enumerate(_each(dataset), 1):
            if isinstance(found, str):
                bad.append(found)
            else:
                labelled += found
            tick(done)
    return Checked(len(dataset), tuple(bad), labelled)


def _each(dataset: Dataset) -> Iterator[NDArray[np.int64] | str]:
    """Class counts, or what is wrong, of each sample in order; a few are decoded ahead, so that memory stays flat."""
    workers = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(dataset), workers * _AHEAD):
            indices = range(first, min(first + workers * _AHEAD, len(dataset)))
            yield from pool.map(lambda index: _one(dataset, index), indices)


def _one(dataset: Dataset, index: int) -> NDArray[np.int64] | str:
    try:
        labels = dataset.sample(index).labels
    except DataError as error:
        return str(error)
    classes = len(dataset.card.names)
    return np.bincount(labels[labels != dataset.card.ignore], minlength=classes).astype(np.int64)
