"""What went wrong with one item, in one sentence: a known mistake as it is, anything else with its traceback kept in a file."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from benchbed.errors import EXIT_PARTIAL, BenchError


@dataclass(frozen=True)
class Failure:
    """One item, or one part of it, that could not be measured."""

    item: str
    message: str
    exit_code: int = EXIT_PARTIAL


def failure(item: str, error: Exception, logs: Path) -> Failure:
    """Say what happened; an error that is not benchbed's own leaves its traceback in `logs`."""
    if isinstance(error, BenchError):
        return Failure(item, str(error), error.exit_code)
    first = (str(error).splitlines() or [""])[0]
    if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
        return Failure(
            item,
            f"out of memory ({first}); use a smaller input (--protocol matched) or fewer methods at once",
        )
    path = logs / f"{re.sub(r'[^A-Za-z0-9]+', '-', item)}.log"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return Failure(
        item, f"{type(error).__name__}: {first} (a mistake in the method or in benchbed; traceback in {path})"
    )
