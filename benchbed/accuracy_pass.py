"""Every image once: label map, counts, journal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from torch import Tensor

from benchbed.journal import Journal, journal
from benchbed.metrics import Counts, ImageCounts, count_image
from benchbed.progress import Reporter
from benchbed.subject import Subject, config


def measure_counts(subject: Subject, partial: Path, reporter: Reporter) -> tuple[Counts, Path]:
    """Counts of all planned images, going on from where an earlier run of the same thing stopped.

    Returns:
        The counts, and the journal that may go once the record is written.

    Raises:
        DataError: an image or mask is bad; what was counted before stays in the journal.
        ScoresError: the method gave scores that no label map can be made of.
    """
    item = subject.item
    wanted = item.dataset.ids[: item.images]
    path = partial / f"{journal_key(subject)}.jsonl"
    with journal(path, len(subject.vocabulary)) as book:
        todo = [index for index, name in enumerate(wanted) if name not in book.rows]
        _announce(book, len(wanted) - len(todo), item.name, reporter)
        with reporter.task(f"{item.name}: accuracy", len(wanted), len(wanted) - len(todo)) as tick:
            for done, index in enumerate(todo, len(wanted) - len(todo) + 1):
                book.add(_count(subject, index))
                tick(done)
        return book.counts(wanted), path


def _announce(book: Journal, kept: int, name: str, reporter: Reporter) -> None:
    if kept:
        reporter.note(f"{name}: going on after {kept} images counted by an earlier run")
    if not book.owned:
        reporter.note(
            f"{name}: another run is measuring the same; this one counts for itself and cannot be resumed"
        )


def _count(subject: Subject, index: int) -> ImageCounts:
    sample = subject.item.dataset.sample(index)
    labels = subject.inference.labels(sample.image)
    classes, ignore = len(subject.vocabulary), subject.item.dataset.card.ignore
    return count_image(to_numpy(labels), sample.labels, classes, ignore, image_id=sample.id)


def to_numpy(labels: Tensor) -> np.ndarray:
    """A label map on the host."""
    return labels.cpu().numpy()


def journal_key(subject: Subject) -> str:
    """Names the work: the same weights, configuration, data and protocol give the same key, whatever `--limit`."""
    item = subject.item
    content = [
        item.chosen.label,
        subject.digest,
        subject.segmenter.input_spec.as_dict(),
        config(item),
        subject.vocabulary.digest,
        item.dataset.identity,
        item.protocol.fingerprint,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]
