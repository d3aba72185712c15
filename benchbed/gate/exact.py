"""Findings that take no statistics: FLOPs, parameters, operators, and counts on the same images. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from benchbed.errors import StoreError
from benchbed.gate.facts import Facts
from benchbed.gate.finding import Finding, Outcome
from benchbed.metrics.counts import Counts
from benchbed.metrics.iou import METRICS, accuracy
from benchbed.metrics.paired import Difference, paired_differences

NAMED: Final = 3  # operators or stages that a sentence names


def exact_findings(method: str, before: Facts, after: Facts, same_numerics: bool = True) -> list[Finding]:
    """All exact findings of one method.

    Args:
        before, after: of the two trees.
        same_numerics: the same processor and libraries on both sides. If not, a pixel may fall otherwise in the last bit and
            one library dispatches other operators than the next: then accuracy is judged by its interval, operators not.
    """
    found = [
        _whole(method, "flops", "FLOP", before.flops, after.flops),
        *[_number(method, part, before, after) for part in sorted(before.parameters)],
    ]
    if same_numerics:
        found.append(_operators(method, before, after))
    return [*found, *_accuracy(method, before, after, same_numerics)]


def _number(method: str, part: str, before: Facts, after: Facts) -> Finding:
    old, new = before.parameters[part], after.parameters.get(part, 0)
    return Finding(method, "parameters", part, _more(old, new), old, new, "parameters", _change(old, new))


def _whole(
    method: str, metric: str, unit: str, before: Mapping[str, int], after: Mapping[str, int]
) -> Finding:
    """The sum over stages; a rise names the stages that rose."""
    old, new = sum(before.values()), sum(after.values())
    outcome = _more(old, new)
    moved = _moved(before, after)
    why = ""
    if outcome is Outcome.REGRESSED:
        why = f"rose in {_list(name for name, rise in moved if rise > 0)}"
    elif moved:
        why = f"changed in {_list(name for name, _ in moved)}"
    risen = [name for name, rise in moved if rise > 0]
    part = risen[0] if outcome is Outcome.REGRESSED and len(risen) == 1 else ""
    return Finding(method, metric, part, outcome, old, new, unit, _change(old, new), why=why)


def _operators(method: str, before: Facts, after: Facts) -> Finding:
    stages = _whole(method, "operators", "operators", before.operators_by_stage, after.operators_by_stage)
    moved = _moved(before.operators, after.operators)
    if not moved:
        return stages
    which = ", ".join(f"{name} {rise:+d}" for name, rise in moved[:NAMED])
    from dataclasses import replace

    return replace(stages, why=f"{stages.why}: {which}" if stages.why else which)


def _accuracy(method: str, before: Facts, after: Facts, same_numerics: bool) -> list[Finding]:
    if not before.accuracy:
        why = "the time was up before an image was run; give more with --seconds"
        return [Finding(method, "accuracy", "", Outcome.INCONCLUSIVE, why=why)]
    old, new = before.counts, after.counts
    unchanged = "identical label maps" if before.accuracy["sha256"] == after.accuracy["sha256"] else ""
    if old == new:
        right = float(old.intersection.sum())
        why = unchanged or "other label maps, the same counts"
        return [Finding(method, "accuracy", "", Outcome.PASS, right, right, "pixels right", 0.0, why=why)]
    return _differing(method, before, old, new, same_numerics)


def _differing(method: str, before: Facts, old: Counts, new: Counts, exact: bool) -> list[Finding]:
    seen, rule = before.accuracy["seen"], before.accuracy["rule"]
    differences = paired_differences(new, old, seen, rule)
    one, other = (accuracy(counts, seen, rule).numbers() for counts in (old, new))
    found = []
    for name in METRICS:
        was, now, difference = one[name], other[name], differences[name]
        if math.isnan(was) or math.isnan(now):
            continue
        outcome = _fell(was, now) if exact else _fell_surely(difference)
        found.append(
            Finding(
                method,
                "accuracy",
                name,
                outcome,
                100 * was,
                100 * now,
                "%",
                _change(was, now),
                why=f"{100 * difference.value:+.2f} points "
                f"[{100 * difference.interval.low:+.2f}, {100 * difference.interval.high:+.2f}] "
                f"over {old.num_images} images",
            )
        )
    return found


def _fell(was: float, now: float) -> Outcome:
    """Images, weights and arithmetic are the same: whatever fell did so by the code."""
    return Outcome.REGRESSED if now < was else Outcome.PASS


def _fell_surely(difference: Difference) -> Outcome:
    return Outcome.REGRESSED if difference.interval.high < 0 else Outcome.PASS


def _more(old: float, new: float) -> Outcome:
    return Outcome.REGRESSED if new > old else Outcome.PASS


def _change(old: float, new: float) -> float | None:
    return new / old - 1 if old else None


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> list[tuple[str, int]]:
    """What differs, with how much, the largest rise first."""
    rises = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
    return sorted(((n, r) for n, r in rises.items() if r), key=lambda pair: (-pair[1], pair[0]))


def _list(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def readable(method: str, facts: Mapping[str, Any], source: str) -> Facts:
    """Facts from a file's content.

    Raises:
        StoreError: damaged.
    """
    from benchbed.gate.facts import facts_from

    try:
        found = facts_from(facts)
        found.counts  # noqa: B018 - unpacks, which is the check
    except (TypeError, KeyError, ValueError) as error:
        raise StoreError(f"{source}: the facts of {method} are damaged ({error!r}); measure again") from error
    return found
