"""From rounds to findings: who is clear, who is suspected, who is found slower. Free of torch.

Two steps keep false alarms rare without blinding the gate. Screening looks at every stage of every method and suspects
whatever seems slower than the margin. What it suspects is measured anew in newly forked workers, and only these fresh
rounds decide: the lower bound must exceed the margin, at a level that is shared among the suspects (Bonferroni). Looking
often, or at many stages, while screening can therefore cost time but raise no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchbed.gate.finding import Finding, Outcome
from benchbed.gate.samples import TOTAL, MethodSamples, PartSamples
from benchbed.gate.statistics import LEAST_ROUNDS, Shift, paired_shift, percent

ALARMS: Final = 0.01  # issue 5: identical code is called regressed in at most 1 of 100 gates
LEVEL: Final = 0.95  # one-sided, of single bounds
EXCLUDED: Final = (
    0.975  # one-sided: a pass may come from screening or from confirming, and misses 5 of 100 in all
)
POWER: Final = 0.95  # issue 5: a real slow-down is seen in at least 95 of 100
# A shorter stage, or one of a smaller share, is mostly Python's overhead, whose tenth nobody can see: it counts in the whole.
SHORTEST_MS: Final = 0.5
LEAST_SHARE: Final = 0.02
# Log ratio: by so much two processes of the same code differ for as long as they live (standard deviation), by where their pages
# happen to lie; it is drawn anew with every pair of workers.
LAYOUT: Final = 0.01


@dataclass(frozen=True)
class Limits:
    """What is let pass and what must be seen, as log ratios.

    Attributes:
        margin: a slow-down below it is not called one: where pages happen to lie makes a percent or two.
        effect: the slow-down that must be excluded for a pass.
    """

    margin: float
    effect: float

    @property
    def clear(self) -> float:
        """Half way: a stage whose upper bound is below it needs no more rounds."""
        return (self.margin + self.effect) / 2


def limits(margin: float, effect: float) -> Limits:
    """From relative changes, e.g. 0.03 and 0.10."""
    return Limits(float(np.log1p(margin)), float(np.log1p(effect)))


def suspected(samples: MethodSamples, limit: Limits) -> list[str]:
    """Parts that seem slower than the margin."""
    return [part for part, shift in shifts(samples).items() if _suspect(shift, limit)]


def unclear(samples: MethodSamples, limit: Limits) -> list[str]:
    """Parts that more rounds may clear or make suspect."""
    if samples.rounds < LEAST_ROUNDS:
        return list(samples.parts) or [TOTAL]
    return [
        part
        for part, shift in shifts(samples).items()
        if not _suspect(shift, limit) and shift.high(LEVEL) >= limit.clear
    ]


def shifts(samples: MethodSamples) -> dict[str, Shift]:
    """Of every part that is long enough to be judged by itself."""
    return {part: shift_of(samples.parts[part]) for part in samples.long_enough(SHORTEST_MS, LEAST_SHARE)}


def shift_of(samples: PartSamples) -> Shift:
    """Of one part, with what differs between pairs of workers, which more rounds of the same pair do not make smaller."""
    shift = paired_shift(samples.log_ratios())
    pairs = max(1, len(set(samples.epoch)))
    return replace(shift, error=math.hypot(shift.error, LAYOUT / math.sqrt(pairs)))


def dismissed(fresh: MethodSamples, doubted: Sequence[str], limit: Limits) -> bool:
    """Whether new rounds have cleared everything that was suspected: looking often can end a gate early, but raise no alarm."""
    if fresh.rounds < LEAST_ROUNDS:
        return False
    found = {part: shift_of(fresh.parts[part]) for part in doubted if part in fresh.parts}
    return all(shift.high(LEVEL) < limit.clear and shift.value < limit.margin for shift in found.values())


def _suspect(shift: Shift, limit: Limits) -> bool:
    return shift.rounds >= LEAST_ROUNDS and shift.value > limit.margin and shift.low(LEVEL) > 0


def speed_findings(
    method: str, screened: MethodSamples, fresh: MethodSamples | None, suspects: int, limit: Limits
) -> list[Finding]:
    """One finding a part.

    Args:
        method: its label.
        screened: all rounds of screening.
        fresh: the rounds of confirming; None where there were none.
        suspects: how many parts of all methods are confirmed: they share the level.
        limit: margin and effect.
    """
    doubted = set(suspected(screened, limit))
    found = []
    for part, shift in shifts(screened).items():
        if part not in doubted:
            found.append(_finding(method, part, screened, shift, _cleared(shift, limit), limit))
            continue
        again = fresh.parts.get(part) if fresh is not None else None
        if fresh is None or again is None or again.rounds < LEAST_ROUNDS:
            why = (
                "seems slower, but the time was up before it could be measured anew; give more with --seconds"
            )
            found.append(_finding(method, part, screened, shift, Outcome.INCONCLUSIVE, limit, why))
            continue
        shift = shift_of(again)
        outcome = _confirmed(again, shift, suspects, limit)
        why = (
            "confirmed in new processes" if outcome is Outcome.REGRESSED else "not confirmed in new processes"
        )
        found.append(_finding(method, part, fresh, shift, outcome, limit, why))
    return found


def _cleared(shift: Shift, limit: Limits) -> Outcome:
    return Outcome.PASS if shift.high(EXCLUDED) < limit.effect else Outcome.INCONCLUSIVE


def _confirmed(samples: PartSamples, shift: Shift, suspects: int, limit: Limits) -> Outcome:
    """Slower only if the bound says so and no pair of workers by itself says otherwise."""
    level = 1 - ALARMS / max(1, suspects)
    if shift.low(level) > limit.margin and not _contradicted(samples, limit):
        return Outcome.REGRESSED
    return _cleared(shift, limit)


def _contradicted(samples: PartSamples, limit: Limits) -> bool:
    """What shows in one pair of processes and not in the next is where pages lie, not the code."""
    alone = (paired_shift(ratios) for ratios in samples.by_epoch() if len(ratios) >= LEAST_ROUNDS)
    return any(shift.high(LEVEL) <= limit.margin for shift in alone)


def _finding(
    method: str,
    part: str,
    samples: MethodSamples,
    shift: Shift,
    outcome: Outcome,
    limit: Limits,
    why: str = "",
) -> Finding:
    before, after = samples.level_ms(part)
    unseen = outcome is Outcome.INCONCLUSIVE
    return Finding(
        method,
        "latency",
        part,
        outcome,
        before,
        after,
        "ms",
        change=percent(shift.value),
        low=percent(shift.low(LEVEL)),
        high=percent(shift.high(LEVEL)),
        smallest=percent(shift.visible(limit.margin, 1 - ALARMS, POWER)) if unseen else None,
        rounds=shift.rounds,
        why=why or _doubt(outcome, shift),
    )


def _doubt(outcome: Outcome, shift: Shift) -> str:
    if outcome is not Outcome.INCONCLUSIVE:
        return ""
    if shift.rounds < LEAST_ROUNDS:
        return f"{shift.rounds} rounds are too few; give more time with --seconds"
    return "the machine is too noisy for the time given; give more with --seconds or stop other work"


def wait_finding(method: str, before: int | None, after: int | None, rounds: int) -> Finding | None:
    """Whether a call now sleeps, or waits for a lock or a disk, where it did not: processor time would not show that.

    Args:
        method: its label.
        before, after: waits in the call with fewest of them.
        rounds: that these are of; in a few calls a machine short of memory may wait every time, so few say nothing.
    """
    if before is None or after is None or rounds < LEAST_ROUNDS:
        return None
    outcome = Outcome.REGRESSED if after > before else Outcome.PASS
    change = after / before - 1 if before else None
    why = "every call gives up its core more often than before" if outcome is Outcome.REGRESSED else ""
    return Finding(method, "waits", "", outcome, before, after, "waits a call", change, why=why)
