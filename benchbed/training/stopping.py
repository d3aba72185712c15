"""Why a training ends early: a person stopped it, or its loss is no number; and how a stop waits for a whole iteration."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchbed.errors import EXIT_INTERRUPTED, EXIT_PARTIAL, BenchError


class TrainingInterrupted(BenchError):
    """Ctrl-C or SIGTERM; the state is kept (exit code 130)."""

    exit_code = EXIT_INTERRUPTED


class TrainingFailed(BenchError):
    """The loss became NaN or Inf; the last state is kept (exit code 4)."""

    exit_code = EXIT_PARTIAL


class StopRequest:
    """Whether somebody asked to stop; the first request waits for the end of an iteration, a second Ctrl-C does not."""

    def __init__(self) -> None:
        self.asked = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Inside, SIGINT and SIGTERM are requests."""
    request = StopRequest()
    before = {number: signal.signal(number, request._ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
