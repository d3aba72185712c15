"""Claims with their verdicts, as the page shows them: those that something was measured for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbed.claims.outcome import Verdict
from benchbed.report.content import Report


@dataclass(frozen=True)
class ClaimLines:
    """Verdicts that rest on measurements, as plain data, and how many claims have none here."""

    lines: tuple[dict[str, Any], ...]
    without: int


def claim_lines(report: Report) -> ClaimLines:
    """Every known claim, as the report judges it.

    Raises:
        UsageError: a claim file of a plug-in is not what it should be.
    """
    return lines_of(report.verdicts)


def lines_of(verdicts: Sequence[Verdict]) -> ClaimLines:
    """Those with something measured, decided ones first."""
    measured = [verdict for verdict in verdicts if verdict.span is not None]
    ordered = sorted(measured, key=lambda verdict: verdict.decision == "undecided")
    return ClaimLines(tuple(_line(each.as_dict()) for each in ordered), len(verdicts) - len(measured))


def _line(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's script reads of `Verdict.as_dict()`."""
    hardware = [f"on {verdict['hardware']}"] if verdict["hardware"] else []
    further = [verdict["next_step"]] if verdict["next_step"] else []
    return {
        "name": verdict["name"],
        "sentence": verdict["sentence"],
        "source": f"{verdict['paper']}, {verdict['source']}",
        "claimed": verdict["claimed"],
        "claimedSpan": verdict["claimed_span"],
        "measured": verdict["measured"],
        "measuredSpan": verdict["measured_span"],
        "verdict": verdict["verdict"],
        "reason": verdict["reason"],
        "conditions": [*hardware, *verdict["conditions"], *further],
        "records": verdict["records"],
    }
