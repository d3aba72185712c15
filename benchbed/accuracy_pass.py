"""Every image once: label map, counts, journal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from benchbed.journal import Journal, journal
from benchbed.metrics import Counts, ImageCounts, count_image
from benchbed.progress import Reporter
from benchbed.source_digest import source_digest
from benchbed.subject import Subject, config


@dataclass(frozen=True)
class Counted:
    """Counts of all planned images.

    Attributes:
        counts: one row an image.
        journal: the file that may go once the record is written; None where another run owns it.
        resumed: images that an earlier, interrupted run had counted.
    """

    counts: Counts
    journal: Path | None
    resumed: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of where the counts come from."""
        if not self.resumed:
            return ()
        return (
            f"{self.resumed} of {self.counts.num_images} images were counted by an earlier, interrupted run of the same "
            "code, weights, data and protocol",
        )

    def forget(self) -> None:
        """Remove the journal: the record holds everything."""
        if self.journal is not None:
            self.journal.unlink(missing_ok=True)


def measure_counts(subject: Subject, partial: Path, reporter: Reporter) -> Counted:
    """Counts of all planned images, going on from where an earlier run of the same thing stopped.

    Raises:
        DataError: an image or mask is bad; what was counted before stays in the journal.
        ScoresError: the method gave scores that no label map can be made of.
        StoreError: the journal cannot be written.
    """
    item = subject.item
    wanted = item.dataset.ids[: item.images]
    path = partial / f"{journal_key(subject)}.jsonl"
    with journal(path, len(subject.vocabulary)) as book:
        todo = [index for index, name in enumerate(wanted) if name not in book.rows]
        kept = len(wanted) - len(todo)
        _announce(book, kept, item.name, reporter)
        with reporter.task(f"{item.name}: accuracy", len(wanted), kept) as tick:
            for done, index in enumerate(todo, kept + 1):
                book.add(_count(subject, index))
                tick(done)
        return Counted(book.counts(wanted), path if book.owned else None, kept)


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
    """Names the work: the same code, weights, configuration, data and protocol give the same key, whatever `--limit`."""
    item = subject.item
    content = [
        item.chosen.label,
        source_digest(item.chosen.variant.build.partition(":")[0].partition(".")[0]),
        subject.digest,
        subject.segmenter.input_spec.as_dict(),
        config(item),
        subject.vocabulary.digest,
        item.dataset.identity,
        item.protocol.fingerprint,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]
