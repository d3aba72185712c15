"""Times of two sides, round by round: side by side, or one side and the reference workload. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

TOTAL: Final = ""  # the part that stands for the whole call
NS_PER_MS: Final = 1e6


@dataclass
class PartSamples:
    """One stage of one method.

    Attributes:
        before_ms, after_ms: a number a round, processor time of the quickest call.
        epoch: of each round; the processes' workers were forked anew between epochs.
    """

    before_ms: list[float] = field(default_factory=list)
    after_ms: list[float] = field(default_factory=list)
    epoch: list[int] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """How many."""
        return len(self.before_ms)

    def log_ratios(self) -> list[float]:
        """log(after / before), a round each."""
        return [math.log(b / a) for a, b in zip(self.before_ms, self.after_ms, strict=True)]

    def by_epoch(self) -> list[list[float]]:
        """The log ratios, apart by epoch."""
        ratios = self.log_ratios()
        return [
            [ratio for ratio, at in zip(ratios, self.epoch, strict=True) if at == which]
            for which in dict.fromkeys(self.epoch)
        ]


@dataclass
class MethodSamples:
    """One method.

    Attributes:
        parts: by stage, and `TOTAL`.
        waits: by side, the least number in any call.
        one_sided: stages that one tree alone has; they have no ratio.
    """

    parts: dict[str, PartSamples] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    one_sided: set[str] = field(default_factory=set)

    def add(self, before: Mapping[str, Any], after: Mapping[str, Any], epoch: int) -> None:
        """One round: what the two children replied."""
        old, new = quickest(before["ledgers"]), quickest(after["ledgers"])
        self.one_sided |= old.keys() ^ new.keys()
        for part in old.keys() & new.keys():
            if old[part] > 0 and new[part] > 0:
                samples = self.parts.setdefault(part, PartSamples())
                samples.before_ms.append(old[part])
                samples.after_ms.append(new[part])
                samples.epoch.append(epoch)
        for side, reply in (("before", before), ("after", after)):
            self.waits[side] = min(self.waits.get(side, reply["waits"]), reply["waits"])

    @property
    def rounds(self) -> int:
        """Of the whole call."""
        return self.parts[TOTAL].rounds if TOTAL in self.parts else 0

    def level_ms(self, part: str) -> tuple[float, float]:
        """Median before and after, ms."""
        samples = self.parts[part]
        return float(np.median(samples.before_ms)), float(np.median(samples.after_ms))

    def long_enough(self, shortest_ms: float, share: float) -> list[str]:
        """The parts that take at least so long, and so much of the whole, in at least half of the calls; `TOTAL` first."""
        least = max(shortest_ms, share * self.level_ms(TOTAL)[0]) if self.rounds else shortest_ms
        often = [part for part, each in self.parts.items() if 2 * each.rounds >= self.rounds]
        return sorted(part for part in often if part == TOTAL or self.level_ms(part)[0] >= least)


def quickest(ledgers: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """Of several calls, the least time of each part and of the whole, ms: what disturbs a call only ever adds."""
    names: Iterable[str] = {name for ledger in ledgers for name in ledger}
    found = {name: min(ledger.get(name, 0) for ledger in ledgers) / NS_PER_MS for name in names}
    return {**found, TOTAL: min(sum(ledger.values()) for ledger in ledgers) / NS_PER_MS}
