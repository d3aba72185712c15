"""Verdicts as what `benchbed.report.plots.claims_plot` draws: a line for each pair that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from benchbed.claims.outcome import Verdict
from benchbed.report.plots.claim_intervals import ClaimInterval


def claim_points(verdicts: Sequence[Verdict]) -> dict[str, list[ClaimInterval]]:
    """Unit -> its lines, since claims of one unit share a plot; units in alphabetical order, empty where nothing was measured."""
    lines = [line for verdict in verdicts for line in _lines(verdict)]
    ordered = sorted(lines, key=lambda line: line.unit)
    return {unit: list(group) for unit, group in groupby(ordered, key=lambda line: line.unit)}


def _lines(verdict: Verdict) -> list[ClaimInterval]:
    claim, found = verdict.claim, []
    for each in verdict.findings:
        if each.measured is None:
            continue
        sides = (
            f"{each.pair.subject} against {each.pair.opponent}" if each.pair.opponent else each.pair.subject
        )
        numbers = (each.measured.value, each.measured.low, each.measured.high)
        name = f"{claim.name}: {sides}"
        # "Up to 18 times" is not refuted by one opponent that comes to less.
        decision = (
            each.decision if claim.over == "every" or each.decision == "supported" else verdict.decision
        )
        found.append(
            ClaimInterval(name, claim.unit, claim.low, claim.high, *numbers, decision, verdict.hardware or "")
        )
    return found
