"""Counts of one subject by several workers: each image by one of them, the integers those of a run in one process.

Worker 0 goes on from what earlier runs counted, every worker counts its share of the rest into a journal of its own, and the
journals' lines, one an image, travel to worker 0. Nothing is added up on the way, so it cannot matter who counted what, how many
workers there were, or how many there are when an interrupted run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from benchbed.accuracy_pass import Counted, journal_key, measure_counts, open_book
from benchbed.counting_pass import BadImage, Counting, Passed, count_into
from benchbed.journal import Journal
from benchbed.keeping import Keeper
from benchbed.metrics import Counts
from benchbed.progress import Reporter
from benchbed.sharding import Workers
from benchbed.sharding_journals import append_lines, forget, known_lines, take_in
from benchbed.subject import Subject


@dataclass(frozen=True)
class _CountedTogether(Counted):
    """Counts of a run in several processes; `start` is the journal that it went on from."""

    start: Path | None = None

    def forget(self) -> None:
        """Remove this worker's journal and the one that the run went on from: the record holds everything."""
        super().forget()
        if self.start is not None:
            forget(self.start)


def take_in_together(partial: Path, workers: Workers) -> None:
    """Take over what dead workers counted: worker 0 first, then the first of every other machine what it alone can see.

    Raises:
        StoreError: no room.
    """
    for first in (True, False):
        ours = workers.processes.local == 0 and workers.leads == first
        workers.together("earlier workers' journals", partial, lambda ours=ours: ours and take_in(partial))  # type: ignore[misc]


def count_together(
    subject: Subject,
    partial: Path,
    share: Path,
    reporter: Reporter,
    keeper: Keeper | None,
    how: Counting,
    workers: Workers,
) -> Counted:
    """Counts of all planned images; on worker 0 of them all, on the others of none.

    Args:
        subject: what to measure, the same everywhere.
        partial: folder of the journals that a run goes on from.
        share: this worker's own folder.
        reporter: hears of progress.
        keeper: is offered each prediction that worker 0 has; None on the others.
        how: what happens to bad images.
        workers: this process among all.

    Raises:
        BenchError: as `benchbed.accuracy_pass.measure_counts`, wherever it happened; what was counted stays in the journals.
        WorkerLost: a worker has ended.
    """
    if workers.world == 1:
        return measure_counts(subject, partial, reporter, keeper, how)
    item, name = subject.item, subject.item.name
    key = journal_key(subject)
    workers.agree(f"{name} (key of code, weights, data and protocol; images)", f"{key} {item.images}")
    start = partial / f"{key}.jsonl"
    known = workers.together(name, partial, lambda: _known(start, subject, workers))
    holders = _holders(known, item.dataset.ids[: item.images], workers)
    todo = [index for index, holder in enumerate(holders) if holder == workers.world]
    mine = todo[workers.rank :: workers.world]
    _announce(name, len(holders) - len(todo), len(mine), reporter, workers)
    book, passed = workers.together(name, partial, lambda: _count(subject, share, mine, how, reporter))
    ids = item.dataset.ids
    ours = [known[ids[index]] for index, holder in enumerate(holders) if holder == workers.rank]
    lines = workers.tell(b"".join(ours) + (b"" if workers.leads else book.path.read_bytes()))
    everyone = [_passed(text) for text in workers.tell(_packed(passed))]

    def gathered() -> Counted:
        if not workers.leads:
            return Counted(Counts.empty(len(subject.vocabulary)), book, 0)
        book.close()
        append_lines(book.path, lines)
        whole = measure_counts(subject, share, Reporter(quiet=True), keeper, how)
        for bad in whole.passed.skipped:
            reporter.note(f"skipped: {bad.message}")
        resumed = len(holders) - len(todo)
        found = replace(whole, resumed=resumed, passed=_merged(whole.passed, everyone))
        return _CountedTogether(found.counts, found.book, found.resumed, found.passed, start)

    return workers.together(name, partial, gathered)


def _known(start: Path, subject: Subject, workers: Workers) -> dict[str, bytes]:
    """What earlier runs counted, as far as this machine can see; the first worker of each machine looks."""
    if workers.processes.local != 0:
        return {}
    return known_lines(start, len(subject.vocabulary))


def _holders(known: dict[str, bytes], wanted: Sequence[str], workers: Workers) -> list[int]:
    """Of each wanted image the first worker that knows its counts, or the number of workers where none does."""
    mine = [workers.rank if name in known else workers.world for name in wanted]
    holders: list[int] = workers.least(torch.tensor(mine, dtype=torch.int64)).tolist()
    return holders


def _count(
    subject: Subject, share: Path, mine: Sequence[int], how: Counting, reporter: Reporter
) -> tuple[Journal, Passed]:
    book = open_book(subject, share)
    try:
        with reporter.task(f"{subject.item.name}: accuracy, this worker's share", len(mine)) as tick:
            return book, count_into(book, subject, mine, how, reporter, None, tick)
    except BaseException:
        book.close()
        raise


def _announce(name: str, known: int, mine: int, reporter: Reporter, workers: Workers) -> None:
    if known:
        reporter.note(f"{name}: going on after {known} images counted by an earlier run")
    reporter.note(f"{name}: {workers.world} workers, about {mine} images each; shown is worker 0's share")


def _packed(passed: Passed) -> bytes:
    return json.dumps(asdict(passed)).encode()


def _passed(text: bytes) -> Passed:
    content = json.loads(text)
    skipped = tuple(BadImage(**each) for each in content["skipped"])
    return Passed(skipped, content["forward"], tuple(content["warnings"]))


def _merged(last: Passed, everyone: Sequence[Passed]) -> Passed:
    """Of the forward passes: the smallest batch of all, all failures, everything a reader must know."""
    forward = dict(everyone[0].forward)
    forward["batch"] = min(each.forward["batch"] for each in everyone)
    forward["out_of_memory"] = sum(each.forward["out_of_memory"] for each in everyone)
    warnings = dict.fromkeys(sentence for each in everyone for sentence in each.warnings)
    return replace(last, forward=forward, warnings=tuple(warnings))
