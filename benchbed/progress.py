"""Progress with a remaining time, on stderr: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S: Final = 10.0
Item = TypeVar("Item")


Tick = Callable[[int], None]  # told how many steps of a task are finished


class Reporter:
    """Where a run tells what it is doing. Nothing of it reaches stdout."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False)

    @contextmanager
    def task(self, name: str, total: int, done: int = 0, at_most_s: float = math.inf) -> Iterator[Tick]:
        """A task of `total` steps of which `done` were finished before, and which ends after `at_most_s` seconds."""
        if self.console.is_terminal and not self.console.quiet:
            yield from self._bar(name, total, done)
        else:
            yield self._lines(name, total, done, at_most_s)

    def each(self, name: str, items: Sequence[Item]) -> Iterator[Item]:
        """The items, one step each; without a terminal nothing is told of what is done before the first line is due."""
        if self.console.is_terminal:
            with self.task(name, len(items)) as tick:
                yield from _told(items, tick)
        else:
            yield from _told(items, self._lines(name, len(items), 0, math.inf, brief=True))

    def _bar(self, name: str, total: int, done: int) -> Iterator[Tick]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(
            *columns, TextColumn("left"), TimeRemainingColumn(), console=self.console, transient=True
        ) as progress:
            task = progress.add_task(name, total=total, completed=done)
            yield lambda finished: progress.update(task, completed=finished)

    def _lines(self, name: str, total: int, done: int, at_most_s: float, brief: bool = False) -> Tick:
        start = last = time.monotonic()

        def tick(finished: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < LINE_EVERY_S and (finished < total or (brief and last == start)):
                return
            last = now
            rate = (finished - done) / max(now - start, 1e-9)
            left = (total - finished) / rate if rate > 0 else math.nan
            left = min(left, max(0.0, at_most_s - (now - start)))
            rest = f", about {left:.0f} s left" if finished < total else f", {now - start:.1f} s"
            self.note(f"{name}: {finished} of {total}{rest}")

        return tick


def _told(items: Sequence[Item], tick: Tick) -> Iterator[Item]:
    for finished, item in enumerate(items, 1):
        yield item
        tick(finished)
