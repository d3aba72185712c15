"""How much slower this machine works right now than when limits of processor time were set."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

IMPORTS: Final = "import numpy, PIL.Image, click"
# Derived: `benchbed list protocols` takes 1.4 times as much (8 rounds of both, in turn), and took 0.35 s on a quiet AMD EPYC. In
# an hour of busy neighbours 0.4 to 0.6 s were seen.
QUIET_SECONDS: Final = 0.25


def spent_by(command: Sequence[str]) -> float:
    """Seconds of processor time of a child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pace() -> float:
    """1 where imports take no longer than when quiet, 2 where they take twice the processor time; never below 1.

    Neighbours who share a core's units, caches and memory make the same work cost more processor time, not only more of the
    clock's: a limit times this is as strict as on a quiet machine.
    """
    return max(1.0, min(spent_by([sys.executable, "-c", IMPORTS]) for _ in range(3)) / QUIET_SECONDS)
