"""What a run calls a difference where there is none: one subject timed under two names (A/A). Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchbed.cost.statistics import Estimate, paired_ratio

# A tenth is what a reader of a table takes for a difference; a floor above a third of it makes such a table doubtful.
DOUBTFUL: Final = 0.03


@dataclass(frozen=True)
class NoiseFloor:
    """The outcome of an A/A run.

    Attributes:
        ratio: the first over the second, paired by round, with its interval; without noise it is 1.
        spread: half of the range that holds the middle 95 % of single rounds' ratios, relative: how far one round may lie off.
    """

    ratio: Estimate
    spread: float

    @property
    def smallest_effect(self) -> float:
        """The least relative difference that this run can tell from none: how far the interval reaches from 1."""
        return max(abs(self.ratio.low - 1), abs(self.ratio.high - 1))

    @property
    def biased(self) -> bool:
        """Whether the interval leaves out 1: identical work was told apart."""
        return not self.ratio.low <= 1 <= self.ratio.high

    def warnings(self) -> list[str]:
        """What a reader must know, with what to do."""
        if self.ratio.samples < 2:
            return ["noise floor: one round says nothing; give more time with --seconds"]
        found = (
            f"A/A run: identical work differs by {self.ratio.value - 1:+.1%} "
            f"[{self.ratio.low - 1:+.1%}, {self.ratio.high - 1:+.1%}]"
        )
        if self.biased and self.smallest_effect > DOUBTFUL:
            return [
                f"{found}: something on this machine drifts within a round; stop other work and measure again"
            ]
        if self.smallest_effect > DOUBTFUL:
            return [
                f"{found}: smaller differences than {self.smallest_effect:.1%} mean nothing here; "
                "give more time with --seconds or stop other work"
            ]
        return []

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "ratio": self.ratio.as_dict(),
            "spread": self.spread,
            "smallest_effect": self.smallest_effect if np.isfinite(self.smallest_effect) else None,
        }


def noise_floor(first_ms: Sequence[float], second_ms: Sequence[float]) -> NoiseFloor:
    """From the samples of the same work under two names, round by round.

    Raises:
        ValueError: lists of different lengths, empty, or with numbers that are not positive.
    """
    ratio = paired_ratio(first_ms, second_ms)
    low, high = np.percentile(np.divide(first_ms, second_ms), [2.5, 97.5])
    return NoiseFloor(ratio, float(high - low) / 2)
