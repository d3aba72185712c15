"""Every image once: label map, counts, journal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchbed.counting_pass import USUAL, Counting, Passed, count_into
from benchbed.errors import DataError, StoreError
from benchbed.journal import Journal
from benchbed.keeping import Keeper
from benchbed.kept import Kept, dataset_folder
from benchbed.metrics import Counts
from benchbed.progress import Reporter
from benchbed.source_digest import source_digest
from benchbed.subject import Subject, config


@dataclass(frozen=True)
class Counted:
    """Counts of all planned images.

    Attributes:
        counts: one row an image that was not left out.
        book: the journal, ours until the record is written or the run ends.
        resumed: images that an earlier, interrupted run had counted.
        passed: which images were left out, and how the forward pass went.
    """

    counts: Counts
    book: Journal
    resumed: int
    passed: Passed = field(default_factory=Passed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of where the counts come from."""
        if not self.resumed:
            return self.passed.warnings
        return (
            f"{self.resumed} of {self.counts.num_images} images were counted by an earlier, interrupted run of the same "
            "code, weights, data and protocol",
            *self.passed.warnings,
        )

    def forget(self) -> None:
        """Remove the journal: the record holds everything."""
        self.book.close(remove=True)


def measure_counts(
    subject: Subject,
    partial: Path,
    reporter: Reporter,
    keeper: Keeper | None = None,
    how: Counting = USUAL,
) -> Counted:
    """Counts of all planned images, going on from where an earlier run of the same thing stopped.

    Args:
        subject: what to measure.
        partial: folder of the journals.
        reporter: hears of progress.
        keeper: is offered each prediction.
        how: what happens to bad images.

    Raises:
        DataError: an image or mask is bad, or all are; what was counted before stays in the journal.
        ScoresError: the method gave scores that no label map can be made of.
        StoreError: the journal cannot be written.
    """
    book = open_book(subject, partial)
    try:
        return _counted(subject, book, reporter, keeper if book.owned else None, how)
    except BaseException:
        book.close()
        raise


def open_book(subject: Subject, partial: Path) -> Journal:
    """The journal of a subject's counts, owned unless another process owns it.

    Raises:
        StoreError: the file cannot be made.
    """
    book = Journal(partial / f"{journal_key(subject)}.jsonl", len(subject.vocabulary))
    try:
        book.open()
    except OSError as error:
        raise StoreError(
            f"{book.path}: cannot be written ({error.strerror}); free room or give another folder with --out"
        ) from error
    return book


def _counted(
    subject: Subject, book: Journal, reporter: Reporter, keeper: Keeper | None, how: Counting
) -> Counted:
    item = subject.item
    wanted = item.dataset.ids[: item.images]
    todo = [index for index, name in enumerate(wanted) if name not in book.rows]
    kept = len(wanted) - len(todo)
    _announce(book, kept, item.name, reporter)
    with _written(keeper, book), reporter.task(f"{item.name}: accuracy", len(wanted), kept) as tick:
        passed = count_into(book, subject, todo, how, reporter, keeper, lambda done: tick(kept + done))
        left = tuple(name for name in wanted if name in book.rows)
        if not left:
            raise DataError(
                f"{item.name}: all {len(wanted):,} images are bad; the first: {passed.skipped[0].message}"
            )
        if keeper is not None:
            _fill(keeper, subject, left)
    for bad in passed.skipped:
        reporter.note(f"skipped: {bad.message}")
    return Counted(book.counts(left), book, kept, passed)


def _fill(keeper: Keeper, subject: Subject, wanted: tuple[str, ...]) -> None:
    """Predict again what an interrupted run had counted but not kept."""
    places = {name: index for index, name in enumerate(subject.item.dataset.ids)}
    for name in keeper.missing(wanted):
        sample = subject.item.dataset.sample(places[name])
        keeper.offer(sample, subject.inference.labels(sample.image).cpu().numpy())


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
    if book.dropped:
        reporter.note(
            f"{book.path}: {book.dropped:,} bytes are torn or not of a journal: skipped; their images are counted again"
        )
    if kept:
        reporter.note(f"{name}: going on after {kept} images counted by an earlier run")
    if not book.owned:
        reporter.note(
            f"{name}: another run is measuring the same; this one counts for itself and cannot be resumed"
        )


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
