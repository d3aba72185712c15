"""Is one side slower? Trimmed means of paired log ratios, with one-sided bounds. Free of torch.

Each round gives one log ratio of two times a moment apart. A fifth of the rounds is trimmed off each end, because a
neighbour that comes or goes between the two halves of a round makes a few ratios wild; the interval is Yuen's (Yuen, The
two-sample trimmed t for unequal population variances, Biometrika 61, 1974; Wilcox, Introduction to Robust Estimation,
section 4.3), with Student's distribution, so that six rounds claim no more than six rounds can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

TRIMMED: Final = 0.2  # of each end: Wilcox's recommendation for heavy tails
LEAST_ROUNDS: Final = 8  # one trimmed at each end leaves five degrees of freedom


@dataclass(frozen=True)
class Shift:
    """A log ratio, after over before: 0 is no change, 0.095 is 10 % slower.

    Attributes:
        value: the trimmed mean.
        error: its standard error; infinity where the rounds are too few to tell.
        freedom: degrees of freedom.
        rounds: how many it rests on.
    """

    value: float
    error: float
    freedom: float
    rounds: int

    def low(self, level: float) -> float:
        """One-sided lower bound: the truth is above it with probability `level`."""
        return self.value - self._reach(level)

    def high(self, level: float) -> float:
        """One-sided upper bound."""
        return self.value + self._reach(level)

    def visible(self, margin: float, level: float, power: float) -> float:
        """The least true log ratio whose lower bound would exceed `margin` with probability `power`."""
        return margin + self._reach(level) + self._reach(power)

    def _reach(self, level: float) -> float:
        return student(level, self.freedom) * self.error if math.isfinite(self.error) else math.inf

    def as_dict(self, level: float) -> dict[str, Any]:
        """Relative change and its one-sided bounds, plain values; what does not exist is None."""
        return {
            "change": percent(self.value),
            "low": percent(self.low(level)),
            "high": percent(self.high(level)),
            "level": level,
            "rounds": self.rounds,
        }


def percent(log_ratio: float) -> float | None:
    """A log ratio as a relative change: 0.095 -> 0.1; None where there is none."""
    return math.expm1(log_ratio) if math.isfinite(log_ratio) else None


def paired_shift(log_ratios: Sequence[float]) -> Shift:
    """Of one log ratio a round."""
    mean, error, freedom = _trimmed(log_ratios)
    return Shift(mean, error, freedom, len(log_ratios))


def unpaired_shift(before: Sequence[float], after: Sequence[float]) -> Shift:
    """Of logarithms that were not taken side by side: Yuen's two-sample form, with Welch's degrees of freedom."""
    old, old_error, old_freedom = _trimmed(before)
    new, new_error, new_freedom = _trimmed(after)
    error = math.hypot(old_error, new_error)
    freedom = 1.0
    if math.isfinite(error) and error > 0:
        freedom = error**4 / (old_error**4 / old_freedom + new_error**4 / new_freedom)
    return Shift(new - old, error, freedom, min(len(before), len(after)))


def _trimmed(values: Sequence[float]) -> tuple[float, float, float]:
    """Trimmed mean, its standard error, degrees of freedom."""
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    if count == 0:
        return 0.0, math.inf, 1.0
    cut = int(TRIMMED * count)
    kept = ordered[cut : count - cut]
    if count < LEAST_ROUNDS:
        return float(kept.mean()), math.inf, 1.0
    winsorized = np.clip(ordered, kept[0], kept[-1])
    error = float(winsorized.std(ddof=1)) / ((1 - 2 * TRIMMED) * math.sqrt(count))
    return float(kept.mean()), error, float(len(kept) - 1)


@lru_cache(maxsize=4096)
def student(level: float, freedom: float) -> float:
    """Quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, level))
