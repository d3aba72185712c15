"""Which classes each image shows: read once from all label maps, kept beside the training's other files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset
from benchbed.progress import Reporter
from benchbed.training.kept_samples import ReadsLabelsAlone

Present = tuple[tuple[int, ...], ...]


def classes_present(
    dataset: Dataset, record_folder: Path | None = None, reporter: Reporter | None = None
) -> Present:
    """For each sample, in order, the labels 0..K-1 of the classes that show at least one pixel, ascending.

    Args:
        dataset: every label map of it is read, unless a record of the same content is found.
        record_folder: where such a record is looked for and left, as `classes-<identity>.json`; None for nowhere.
        reporter: where progress is shown.

    Raises:
        DataError: a label map cannot be read; the message names it.
    """
    path = None if record_folder is None else record_folder / f"classes-{dataset.identity[:16]}.json"
    known = _recorded(path, dataset)
    if known is not None:
        return known
    found = _scanned(dataset, reporter or Reporter(quiet=True))
    if path is not None:
        _record(path, dataset, found)
    return found


def _scanned(dataset: Dataset, reporter: Reporter) -> Present:
    classes = len(dataset.card.names)
    found = []
    with reporter.task(f"reading the label maps of {dataset.card.name}", len(dataset)) as tick:
        for index in range(len(dataset)):
            labels = _labels(dataset, index)
            counts = np.bincount(labels[labels < classes].reshape(-1), minlength=classes)
            found.append(tuple(np.flatnonzero(counts).tolist()))
            tick(index + 1)
    return tuple(found)


def _labels(dataset: Dataset, index: int) -> NDArray[np.integer]:
    if isinstance(dataset, ReadsLabelsAlone):
        return dataset.labels(index)
    return dataset.sample(index).labels


def _recorded(path: Path | None, dataset: Dataset) -> Present | None:
    """What an earlier run found on the same data, or None."""
    content: Any = None
    if path is not None:
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("identity") != dataset.identity:
        return None
    rows = content.get("classes", ())
    return tuple(tuple(row) for row in rows) if len(rows) == len(dataset) else None


def _record(path: Path, dataset: Dataset, found: Present) -> None:
    """Written whole or not at all, as other processes of the same training do the same; a full disk costs only the time."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({"identity": dataset.identity, "classes": found}), encoding="utf-8")
        partial.replace(path)
