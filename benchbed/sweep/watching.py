"""Submitting a sweep's jobs, watching them, and starting again those that had to make room."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final

from benchbed.errors import BenchError, StoreError
from benchbed.progress import Reporter, Tick
from benchbed.sweep.executor import Executor
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Job, Ledger

MOST_TIMES: Final = 4  # that an item is submitted: three losses that are not its fault
NEWS_EVERY_S: Final = 60.0
TAIL: Final = 4096  # bytes of a log in which its last line is looked for


@dataclass
class _Watched:
    item: SweepItem
    job: Job
    state: str = ""
    missed: int = 0  # looks in a row that found neither job nor outcome


@dataclass
class Watch:
    """A sweep under way.

    Attributes:
        failures: item and reason of those that failed, in order.
        running: jobs that were submitted and have not ended.
        waiting: items that were not submitted yet.
    """

    ledger: Ledger
    executor: Executor
    reporter: Reporter
    waiting: deque[SweepItem]
    running: list[_Watched] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def to_the_end(self) -> None:
        """Submit everything and wait until all has ended; a job's failure stops no other."""
        self._find_running()
        total = len(self.waiting) + len(self.running)
        looks_between_news = max(1, round(NEWS_EVERY_S / self.executor.poll_s))
        looks = 0
        with self.reporter.task("sweep", total) as tick:
            while self.waiting or self.running:
                self._fill()
                if looks % looks_between_news == looks_between_news - 1:
                    self._news()
                looks += 1
                Event().wait(self.executor.poll_s)
                if self._look():
                    self._tell_done(total, tick)

    def _tell_done(self, total: int, tick: Tick) -> None:
        tick(total - len(self.waiting) - len(self.running))

    def _find_running(self) -> None:
        """Jobs of an earlier call that go on are watched, not submitted again."""
        known = [(item, job) for item in self.waiting if (job := self.ledger.job(item)) is not None]
        states = self.executor.states([job for _, job in known]) if known else {}
        if states is None:
            raise StoreError(
                "squeue does not answer, so that jobs of an earlier call may be running; try again later"
            )
        for item, job in known:
            if job.id in states and self.ledger.outcome(item) is None:
                self.waiting.remove(item)
                self.running.append(_Watched(item, job, states[job.id]))
                self.reporter.note(f"{item.name}: job {job.id} of an earlier call, {states[job.id]}")

    def _fill(self) -> None:
        while self.waiting and (not self.executor.at_once or len(self.running) < self.executor.at_once):
            self._submit(self.waiting.popleft(), 1)

    def _submit(self, item: SweepItem, times: int) -> None:
        self.ledger.clear(item)
        arguments = (*item.arguments, "--out", str(self.ledger.out))
        try:
            job = self.executor.submit(item, SweepJob(arguments, self.ledger.outcome_path(item)), times)
        except BenchError as error:
            self._fail(item, str(error))
            return
        self.running.append(_Watched(item, job))
        self.ledger.note(item, job)
        self.reporter.note(f"{item.name}: job {job.id} submitted; it says: {job.log}")

    def _look(self) -> bool:
        """Look at all jobs once; returns whether one has ended."""
        states = self.executor.states([each.job for each in self.running])
        before = len(self.running)
        for each in list(self.running):
            if self.ledger.outcome(each.item) is not None:
                self._ended(each)
            elif states is not None:
                self._seen(each, states.get(each.job.id))
        return len(self.running) < before

    def _ended(self, each: _Watched) -> None:
        self.running.remove(each)
        outcome = self.ledger.outcome(each.item)
        assert outcome is not None
        for path in outcome.records:
            self.reporter.note(f"{each.item.name}: record: {path}")
        for message in outcome.failures:
            self._fail(each.item, message)
        if outcome.code and not outcome.failures:
            self._fail(each.item, f"ended with exit code {outcome.code}; see {each.job.log}")

    def _seen(self, each: _Watched, state: str | None) -> None:
        if state is not None:
            each.missed = 0
            if state != each.state:
                self.reporter.note(f"{each.item.name}: job {each.job.id} {state}")
            each.state = state
            return
        each.missed += 1
        if each.missed > 2:  # a file may take a moment to cross a network
            self._gone(each)

    def _gone(self, each: _Watched) -> None:
        self.running.remove(each)
        why, again = self.executor.why_gone(each.job)
        if again and each.job.times < MOST_TIMES:
            self.reporter.note(
                f"{each.item.name}: job {each.job.id} had to make room ({why}); submitted again"
            )
            self._submit(each.item, each.job.times + 1)
            return
        self._fail(
            each.item,
            f"job {each.job.id} ended before it was done ({why}): {last_line(each.job.log)}; see {each.job.log}",
        )

    def _fail(self, item: SweepItem, message: str) -> None:
        self.failures.append((item.name, message))
        self.reporter.note(f"{item.name}: failed: {message}")

    def _news(self) -> None:
        for each in self.running:
            self.reporter.note(
                f"{each.item.name}: job {each.job.id} {each.state or 'submitted'}: {last_line(each.job.log)}"
            )

    def farewell(self) -> Sequence[str]:
        """What to say when somebody stops watching: what goes on, how to look, how to cancel, how to go on."""
        jobs = [each.job for each in self.running]
        lines = [f"{len(self.waiting)} not submitted yet"] if self.waiting else []
        if jobs:
            lines = [
                f"{len(jobs)} jobs go on without this command",
                f"look:   {self.executor.look(jobs)}",
                f"cancel: {self.executor.cancel(jobs)}",
                *lines,
            ]
        return lines


def last_line(log: str) -> str:
    """The last line of a job's log that says something, or "nothing said yet"."""
    with contextlib.suppress(OSError), Path(log).open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[-1]
    return "nothing said yet"
