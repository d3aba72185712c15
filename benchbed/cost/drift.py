"""What changed on the machine while it was measured. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchbed.cost.environment import Environment

CLOCK_FELL: Final = 0.9  # of the clock before: a processor that heats up or is capped loses more than a tenth
DRIFTED: Final = 0.05  # between the halves of a run: more than the interval that a run stops at
ENOUGH: Final = 8  # rounds, below which halves say nothing


def drift_warnings(before: Environment, after: Environment, rounds_ms: Sequence[float]) -> list[str]:
    """One sentence for each thing that moved, each with what to do.

    Args:
        before, after: the machine at both ends.
        rounds_ms: time of each whole round; what falls on all subjects alike shows here.
    """
    found = []
    if before.clock_mhz and after.clock_mhz and after.clock_mhz < CLOCK_FELL * before.clock_mhz:
        found.append(
            f"throttling: the processor's clock fell from {before.clock_mhz:.0f} to {after.clock_mhz:.0f} MHz during the run; "
            "let it cool, or trust only ratios of subjects of this run"
        )
    if len(rounds_ms) >= ENOUGH:
        middle = len(rounds_ms) // 2
        change = float(np.median(rounds_ms[middle:]) / np.median(rounds_ms[:middle])) - 1
        if abs(change) > DRIFTED:
            found.append(
                f"drift: the second half of the rounds took {change:+.0%} against the first; "
                "measure again on a quiet machine, or trust only ratios of subjects of this run"
            )
    return found
