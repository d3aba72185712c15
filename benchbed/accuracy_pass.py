"""Every image once: label map, counts, journal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from benchbed.datasets.dataset import Sample
from benchbed.journal import Journal, journal
from benchbed.keeping import Keeper
from benchbed.kept import Kept, dataset_folder
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


def measure_counts(
    subject: Subject, partial: Path, reporter: Reporter, keeper: Keeper | None = None
) -> Counted:
    """Counts of all planned images, going on from where an earlier run of the same thing stopped.

    Args:
        subject: what to measure.
        partial: folder of the journals.
        reporter: hears of progress.
        keeper: is offered each prediction.

    Raises:
        DataError: an image or mask is bad; what was counted before stays in the journal.
        ScoresError: the method gave scores that no label map can be made of.
        StoreError: the journal cannot be written.
    """
    item = subject.item
    wanted = item.dataset.ids[: item.images]
    path = partial / f"{journal_key(subject)}.jsonl"
    with journal(path, len(subject.vocabulary)) as book:
        keeper = keeper if book.owned else None
        todo = [index for index, name in enumerate(wanted) if name not in book.rows]
        kept = len(wanted) - len(todo)
        _announce(book, kept, item.name, reporter)
        with _written(keeper, book), reporter.task(f"{item.name}: accuracy", len(wanted), kept) as tick:
            for done, index in enumerate(todo, kept + 1):
                sample, labels = _label(subject, index)
                row = _count(subject, sample, labels)
                if keeper is not None:
                    keeper.offer(sample, labels)
                book.add(row)
                tick(done)
            if keeper is not None:
                _fill(keeper, subject, wanted)
        return Counted(book.counts(wanted), path if book.owned else None, kept)


def _fill(keeper: Keeper, subject: Subject, wanted: tuple[str, ...]) -> None:
    """Predict again what an interrupted run had counted but not kept."""
    places = {name: index for index, name in enumerate(wanted)}
    for name in keeper.missing(wanted):
        keeper.offer(*_label(subject, places[name]))


@contextmanager
def _written(keeper: Keeper | None, book: Journal) -> Iterator[None]:
    """What a keeper holds is written at the end, whatever happens."""
    if keeper is None:
        yield
        return
    keeper.resume(book.rows)
    try:
        yield
    finally:
        keeper.write()


def make_keeper(subject: Subject, store: Path, budget: int, reporter: Reporter) -> Keeper | None:
    """Who keeps a subject's predictions below a store's folder, at most `budget` bytes; None for a budget of 0."""
    if budget < 1:
        return None
    item = subject.item
    card, protocol = item.dataset.card, item.protocol
    name = f"{item.chosen.label.replace('/', '-')}-{protocol.name}-{journal_key(subject)[:12]}"
    place = Kept(
        folder=dataset_folder(store, card.name, item.dataset.identity) / name,
        label=item.chosen.label,
        weights=subject.digest,
        dataset=card.name,
        identity=item.dataset.identity,
        fingerprint=protocol.fingerprint,
        ignore=card.ignore,
        images=(),
    )
    return Keeper(place, len(subject.vocabulary), budget, reporter)


def _announce(book: Journal, kept: int, name: str, reporter: Reporter) -> None:
    if kept:
        reporter.note(f"{name}: going on after {kept} images counted by an earlier run")
    if not book.owned:
        reporter.note(
            f"{name}: another run is measuring the same; this one counts for itself and cannot be resumed"
        )


def _label(subject: Subject, index: int) -> tuple[Sample, np.ndarray]:
    sample = subject.item.dataset.sample(index)
    return sample, to_numpy(subject.inference.labels(sample.image))


def _count(subject: Subject, sample: Sample, labels: np.ndarray) -> ImageCounts:
    classes, ignore = len(subject.vocabulary), subject.item.dataset.card.ignore
    return count_image(labels, sample.labels, classes, ignore, image_id=sample.id)


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
