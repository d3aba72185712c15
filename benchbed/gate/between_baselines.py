"""`--baseline OLD --current NEW`, both of `--write-baseline`: two trees by what was recorded of them. Free of torch.

Nothing is measured, so nothing can be confirmed in new processes: the level is shared among all parts at once.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any, Final

from benchbed.gate.against_baseline import Ground, check_protocol, make_ground, shifts
from benchbed.gate.alone import Alone
from benchbed.gate.exact import exact_findings
from benchbed.gate.finding import Finding, Outcome, Verdict, accept
from benchbed.gate.judging import ALARMS, LEVEL, POWER, wait_finding
from benchbed.gate.record import Baseline
from benchbed.gate.request import GateRequest
from benchbed.gate.samples import TOTAL
from benchbed.gate.statistics import Shift, percent

WHOLE: Final = "total"  # what baselines call the part that stands for a whole call


def gate_recorded(
    before: Baseline, after: Baseline, sources: tuple[str, str], request: GateRequest, explicit: bool
) -> Verdict:
    """Judge one baseline by another.

    Args:
        before, after: read and checked.
        sources: their files, for messages.
        request: limits and what is accepted.
        explicit: whether the user gave margin or effect; if not, they follow from the two machines.

    Raises:
        UsageError: they were measured under different protocols.
        StoreError: one is damaged.
    """
    check_protocol(before.protocol, after.protocol, f"{sources[0]} and {sources[1]}")
    ground = make_ground(before.environment, after.environment, request, explicit)
    common = [label for label in after.methods if label in before.methods]
    samples = {label: _samples(after.methods[label]) for label in common}
    parts = sum(len(shifts(before.methods[label], each)) for label, each in samples.items())
    found: list[Finding] = []
    for label in common:
        old, new = before.facts(label, sources[0]), after.facts(label, sources[1])
        found += exact_findings(label, old, new, ground.same_numerics)
        found += _speed(label, before.methods[label], samples[label], parts, ground)
    return Verdict(
        before.words,
        after.words,
        ground.margin,
        ground.effect,
        accept(found, request.accepted),
        [ground.note, *_only_one_side(before, after)],
    )


def _samples(content: dict[str, Any]) -> Alone:
    """A baseline's rounds as a measurement's."""

    def renamed(values: dict[str, list[float]]) -> dict[str, list[float]]:
        return {TOTAL if part == WHOLE else part: list(each) for part, each in values.items()}

    return Alone(
        renamed(content["log_ratios"]),
        renamed(content["part_ms"]),
        list(content["reference_ms"]),
        content["waits"],
    )


def _speed(label: str, before: dict[str, Any], after: Alone, parts: int, ground: Ground) -> list[Finding]:
    if not after.rounds:
        why = "no round of it was recorded; make the baseline with more --seconds"
        return [Finding(label, "latency", "", Outcome.INCONCLUSIVE, why=why)]
    waits = wait_finding(label, before.get("waits"), after.waits, after.rounds)
    found = [
        replace(
            _finding(label, part, shift, parts, ground),
            before=median(before["part_ms"][part or WHOLE]),
            after=median(after.part_ms[part]),
        )
        for part, shift in shifts(before, after).items()
    ]
    return [*found, waits] if waits else found


def _finding(label: str, part: str, shift: Shift, parts: int, ground: Ground) -> Finding:
    limit = ground.limit
    level = 1 - ALARMS / max(1, parts)
    if shift.low(level) > limit.margin:
        outcome = Outcome.REGRESSED
    else:
        outcome = Outcome.PASS if shift.high(LEVEL) < limit.effect else Outcome.INCONCLUSIVE
    return Finding(
        label,
        "latency",
        part,
        outcome,
        unit="ms",
        change=percent(shift.value),
        low=percent(shift.low(LEVEL)),
        high=percent(shift.high(LEVEL)),
        smallest=percent(shift.visible(limit.margin, level, POWER))
        if outcome is Outcome.INCONCLUSIVE
        else None,
        rounds=shift.rounds,
        why="of the ratio to the reference workload; both sides as recorded",
    )


def _only_one_side(before: Baseline, after: Baseline) -> list[str]:
    new = [
        f"{label}: not in the baseline, so not compared"
        for label in after.methods
        if label not in before.methods
    ]
    gone = [
        f"{label}: in the baseline alone, so not compared"
        for label in before.methods
        if label not in after.methods
    ]
    return new + gone
