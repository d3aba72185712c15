"""Claims with their verdicts, as the page shows them: those that something was measured for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Verdict
from benchbed.claims.reading import shipped_claims
from benchbed.claims.trials import read_trials
from benchbed.claims.verdict import decide
from benchbed.cost_records import read_cost_records
from benchbed.report.content import Report


@dataclass(frozen=True)
class ClaimLines:
    """Verdicts that rest on measurements, as plain data, and how many claims have none here."""

    lines: tuple[dict[str, Any], ...]
    without: int


def claim_lines(report: Report) -> ClaimLines:
    """Judge every known claim by the report's records and by what else lies in its folders.

    Raises:
        UsageError: a claim file of a plug-in is not what it should be.
    """
    evidence = _evidence(report)
    verdicts = [verdict for claim in shipped_claims() for verdict in decide(claim, evidence)]
    return lines_of(verdicts)


def _evidence(report: Report) -> Evidence:
    """The records that the report has read already; cost records and trials from its folders."""
    folders = [path for path in report.sources if path.is_dir()]
    costs = {each.id: each for folder in folders for each in read_cost_records(folder)[0]}
    trials = {each.id: each for folder in folders for each in read_trials(folder)[0]}
    return Evidence(
        tuple(sorted(report.collection.records, key=lambda each: (each.created, each.id))),
        tuple(sorted(costs.values(), key=lambda each: (each.created, each.id))),
        tuple(sorted(trials.values(), key=lambda each: (each.created, each.id))),
    )


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
