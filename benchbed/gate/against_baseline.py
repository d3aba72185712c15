"""`--baseline FILE`: the working tree against recorded ratios to the reference workload. Free of torch.

On the machine that made the baseline a ratio holds within a few percent; on another processor it does not, for caches and
vector units favour one operator over another, so the margin is wider there and the findings say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchbed.cost.deadline import Deadline
from benchbed.errors import StoreError, UsageError
from benchbed.gate.alone import Alone, Measuring, environment, start
from benchbed.gate.exact import exact_findings
from benchbed.gate.finding import Finding, Outcome, Verdict, accept
from benchbed.gate.judging import ALARMS, LEAST_SHARE, LEVEL, POWER, SHORTEST_MS, Limits, limits, wait_finding
from benchbed.gate.record import Baseline
from benchbed.gate.request import GateRequest
from benchbed.gate.samples import TOTAL
from benchbed.gate.statistics import LEAST_ROUNDS, Shift, percent, unpaired_shift
from benchbed.progress import Reporter

CONFIRMING: Final = 0.45
ENDING_S: Final = 1.0
# Log ratio: by so much (standard deviation) two sessions of the same code differ beyond what rounds within one show. A bound,
# not an estimate: 30 sessions of a small tree on one busy machine differed by 0.006, but CI, on a machine that changed between
# the two, once called identical code regressed.
SESSIONS: Final = 0.02
MOST_ROUNDS: Final = 40
# Between runs on one machine, sequential A/A tests were off by up to 8.6 % and ratios within a run by 2.5 %
# (performance.md, section 8); a ratio to a reference lies in between.
APART: Final = (0.06, 0.15)
# Between processors of one generation, ratios of convolutions to products of matrices differ by a fifth or so; no
# measurement of ours backs this figure yet, so it is a flag's default and no promise.
ELSEWHERE: Final = (0.30, 0.60)


@dataclass(frozen=True)
class Ground:
    """What the comparison stands on: limits, whether arithmetic is the same, and what to say of it."""

    margin: float
    effect: float
    same_numerics: bool
    note: str

    @property
    def limit(self) -> Limits:
        """As log ratios."""
        return limits(self.margin, self.effect)


def gate_baseline(
    baseline: Baseline, source: str, request: GateRequest, explicit: bool, reporter: Reporter
) -> Verdict:
    """Measure the working tree and judge it by a baseline.

    Args:
        baseline: read and checked.
        source: its file, for messages.
        request: methods, time, limits.
        explicit: whether the user gave margin or effect; if not, they follow from where the baseline comes from.
        reporter: hears of progress.

    Raises:
        UsageError: the tree does not import, or it measures under another protocol than the baseline.
        StoreError: the baseline is damaged.
        MeasurementError: the child died.
    """
    deadline = Deadline(request.seconds)
    ground = make_ground(baseline.environment, environment(), request, explicit)
    old = {label: baseline.facts(label, source) for label in baseline.methods}
    with ExitStack() as stack:
        measuring = start(request, stack, reporter)
        labels = measuring.renew()
        check_protocol(baseline.protocol, measuring.protocol, source)
        common = [label for label in labels if label in old]
        screened, fresh = _measure(measuring, baseline, common, ground.limit, deadline)
    verdict = Verdict(baseline.words, measuring.tree.words, ground.margin, ground.effect)
    verdict.notes = [ground.note, *_notes(old, labels, measuring)]
    found: list[Finding] = [
        Finding(label, "runs", "", Outcome.REGRESSED, why=f"it ran for the baseline; now: {why}")
        for label, why in measuring.broken.items()
        if label in old
    ]
    suspects = sum(len(suspected(baseline.methods[x], each, ground.limit)) for x, each in screened.items())
    for label in common:
        found += exact_findings(label, old[label], measuring.facts[label], ground.same_numerics)
        found += speed(
            label, baseline.methods[label], screened[label], fresh.get(label), suspects, ground.limit
        )
    verdict.findings = accept(found, request.accepted)
    verdict.seconds = deadline.spent
    return verdict


def make_ground(
    before: Mapping[str, Any], now: Mapping[str, Any], request: GateRequest, explicit: bool
) -> Ground:
    """How far the two machines allow to go."""
    machine = before.get("machine") == now["machine"] and before.get("cpu") == now["cpu"]
    versions = before.get("versions") == now["versions"]
    margin, effect = APART if machine else ELSEWHERE
    if explicit:
        margin, effect = request.margin, request.effect
    where = (
        "this machine made the baseline"
        if machine
        else f"the baseline is of another machine ({before.get('cpu', 'unknown processor')}; here {now['cpu']})"
    )
    changed = "" if versions else "; other library versions: operators are not compared"
    kind = "as asked for" if explicit else "by default there"
    note = (
        f"{where}: slow-downs above {margin:.0%} are judged, {effect:.0%} must be excluded ({kind}){changed}"
    )
    return Ground(margin, effect, machine and versions, note)


def check_protocol(before: Mapping[str, Any], now: Mapping[str, Any], source: str) -> None:
    """Refuse a baseline that was measured under other conditions; the message names each field."""
    differing = [
        f"{name} {str(before.get(name))[:16]} / {str(now[name])[:16]}"
        for name in now
        if before.get(name) != now[name]
    ]
    if differing:
        raise UsageError(
            f"{source}: measured under another protocol ({'; '.join(differing)}; baseline / now), so no figure of it can be held "
            "against one of now; use the same --images, or make the baseline anew with benchbed gate --write-baseline"
        )


def _measure(
    measuring: Measuring, baseline: Baseline, labels: list[str], limit: Limits, deadline: Deadline
) -> tuple[dict[str, Alone], dict[str, Alone]]:
    screened = {label: Alone() for label in labels}
    kept = CONFIRMING * max(0.0, deadline.left - ENDING_S)

    def doubted(label: str) -> bool:
        return bool(suspected(baseline.methods[label], screened[label], limit))

    def reserve() -> float:
        return ENDING_S + (kept if any(doubted(label) for label in labels) else 0.0)

    def open_(label: str, samples: Alone) -> bool:
        if samples.rounds >= MOST_ROUNDS:
            return False
        found = shifts(baseline.methods[label], samples).values()
        return samples.rounds < LEAST_ROUNDS or any(
            not _suspect(each, limit) and each.high(LEVEL) >= limit.clear for each in found
        )

    measuring.rounds(screened, deadline, reserve, open_)
    fresh = {label: Alone() for label in labels if doubted(label)}
    if fresh:
        measuring.rounds(fresh, deadline, lambda: ENDING_S, lambda _, each: each.rounds < MOST_ROUNDS)
    return screened, fresh


def shifts(before: Mapping[str, Any], after: Alone) -> dict[str, Shift]:
    """Of every part that both sides have and that takes long enough."""
    found = {}
    whole = float(np.median(after.part_ms[TOTAL])) if after.rounds else 0.0
    least = max(SHORTEST_MS, LEAST_SHARE * whole)
    for part, ratios in after.log_ratios.items():
        old = before["log_ratios"].get(part or "total", [])
        long_enough = part == TOTAL or float(np.median(after.part_ms[part])) >= least
        if old and long_enough:
            shift = unpaired_shift(old, ratios)
            found[part] = replace(shift, error=math.hypot(shift.error, SESSIONS))
    return found


def suspected(before: Mapping[str, Any], after: Alone, limit: Limits) -> list[str]:
    """Parts that seem slower than the margin."""
    return [part for part, shift in shifts(before, after).items() if _suspect(shift, limit)]


def _suspect(shift: Shift, limit: Limits) -> bool:
    return shift.rounds >= LEAST_ROUNDS and shift.value > limit.margin and shift.low(LEVEL) > 0


def speed(
    label: str,
    before: Mapping[str, Any],
    screened: Alone,
    fresh: Alone | None,
    suspects: int,
    limit: Limits,
) -> list[Finding]:
    """One finding a part; a suspected one is decided by fresh rounds alone."""
    if not screened.rounds:
        why = "the time was up before it could be timed; give more with --seconds"
        return [Finding(label, "latency", "", Outcome.INCONCLUSIVE, why=why)]
    waits = wait_finding(label, before.get("waits"), screened.waits, screened.rounds)
    doubted = suspected(before, screened, limit)
    again = shifts(before, fresh) if fresh is not None else {}
    found = [waits] if waits else []
    for part, shift in shifts(before, screened).items():
        outcome, why = _outcome(shift, limit), ""
        if part in doubted:
            shift = again.get(part, shift)
            outcome, why = _decided(shift, part in again, suspects, limit)
        old_ms = float(np.median(before["part_ms"][part or "total"]))
        new_ms = float(np.median(screened.part_ms[part]))
        found.append(
            Finding(
                label,
                "latency",
                part,
                outcome,
                old_ms,
                new_ms,
                "ms",
                percent(shift.value),
                percent(shift.low(LEVEL)),
                percent(shift.high(LEVEL)),
                percent(shift.visible(limit.margin, 1 - ALARMS, POWER)),
                shift.rounds,
                why or "of the ratio to the reference workload",
            )
        )
    return found


def _outcome(shift: Shift, limit: Limits) -> Outcome:
    return Outcome.PASS if shift.high(LEVEL) < limit.effect else Outcome.INCONCLUSIVE


def _decided(shift: Shift, measured: bool, suspects: int, limit: Limits) -> tuple[Outcome, str]:
    if not measured or shift.rounds < LEAST_ROUNDS:
        return Outcome.INCONCLUSIVE, "seems slower, but the time was up before it could be measured anew"
    if shift.low(1 - ALARMS / max(1, suspects)) > limit.margin:
        return Outcome.REGRESSED, "its ratio to the reference workload rose; confirmed in a new process"
    return _outcome(shift, limit), "not confirmed in a new process"


def _notes(old: Mapping[str, Any], labels: list[str], measuring: Measuring) -> list[str]:
    new = [f"{label}: not in the baseline, so not compared" for label in labels if label not in old]
    asked = measuring.request.methods
    gone = [
        f"{label}: in the baseline, but not measured now"
        for label in old
        if label not in labels and label not in measuring.broken and asked == ("all",)
    ]
    return new + gone


def damaged(baseline: Baseline, source: str) -> None:
    """Check the parts that judging reads.

    Raises:
        StoreError: a method lacks its samples.
    """
    for label, content in baseline.methods.items():
        lacking = {"facts", "log_ratios", "part_ms", "reference_ms", "waits"} - content.keys()
        if lacking:
            raise StoreError(f"{source}: {label} lacks {', '.join(sorted(lacking))}; make the baseline anew")
