"""Processor time of a call, by stage: on a busy machine, what a neighbour takes of the core is not in it.

The gate's child loads this file by path, so it imports nothing of the bench: the rule of stages is handed in.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Marks(Protocol):
    """What `benchbed.cost.stage_marks.StageMarks` is."""

    def running(self) -> AbstractContextManager[None]:
        """Listen during the block."""

    def ledger(self, between: Callable[[int, int], float]) -> dict[str, float]:
        """The sum of `between(begin, end)` over each stage's spans."""


def processor_ledger(
    call: Callable[[], object], marks: Callable[[Callable[[], int]], Marks]
) -> tuple[dict[str, int], int]:
    """Run a call once.

    Args:
        call: what is timed, all threads of the process together.
        marks: makes a listener from a clock.

    Returns:
        Nanoseconds by stage, `unaccounted` included, and how often the process gave up its core of its own accord
        (a sleep, a lock, a disk): processor time does not show those.
    """
    heard = marks(time.process_time_ns)
    with _no_collection():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        with heard.running():
            call()
        waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    spent = heard.ledger(lambda begin, end: end - begin)
    return {name: int(ns) for name, ns in spent.items()}, waits


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
