"""When to stop timing: as soon as every interval is narrow enough, else when time is up. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchbed.cost.latency import LatencySamples
from benchbed.cost.statistics import Estimate, median_interval

UNTIL: Final = 0.03  # two records that differ by 10 % then have intervals that do not touch
SECONDS: Final = 180.0
LEAST_ROUNDS: Final = 4  # two pictures in both orders, however slow the machine
# Fewer samples give a bootstrap interval that is too narrow to be believed: of a median of 8 it has 95 % about right.
NARROW_FROM: Final = 8
MOST_ROUNDS: Final = 400
REPLICATES: Final = 500  # a look at the interval, after every second round; the reported one has 2,000


@dataclass(frozen=True)
class Stopping:
    """The rule of one run.

    Attributes:
        until: the half width of every latency's 95 % interval that is narrow enough, relative to its median; 0 for never.
        seconds: no round begins that would probably end later than this.
        least_rounds: measured in any case.
        most_rounds: never more.
    """

    until: float = UNTIL
    seconds: float = SECONDS
    least_rounds: int = LEAST_ROUNDS
    most_rounds: int = MOST_ROUNDS

    def narrow(self, samples: Mapping[str, LatencySamples]) -> bool:
        """Whether all intervals are narrow enough, of at least 8 rounds."""
        totals = [each.total_ms for each in samples.values()]
        if self.until <= 0 or min(map(len, totals)) < NARROW_FROM:
            return False
        return widest(median_interval(each, replicates=REPLICATES) for each in totals) <= self.until

    def why(self, samples: Mapping[str, LatencySamples]) -> str:
        """Why a run with these samples stopped: `narrow`, `most` or `time`."""
        if self.narrow(samples):
            return "narrow"
        rounds = min(len(each.total_ms) for each in samples.values())
        return "most" if rounds >= self.most_rounds else "time"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def widest(estimates: Iterable[Estimate]) -> float:
    """The largest half width relative to its value."""
    return max((each.high - each.low) / 2 / each.value for each in estimates)
