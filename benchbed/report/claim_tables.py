"""Verdicts as tables: all claims at a glance, then each with reason, conditions, published numbers and stage ledger."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.claims.claim import Claim
from benchbed.claims.outcome import Finding, PublishedFinding, Verdict, measured_text
from benchbed.report.table import Cell, Table, absent, text, unique
from benchbed.stages import STAGES, UNACCOUNTED


def claim_tables(verdicts: Sequence[Verdict], details: bool) -> list[Table]:
    """The overview, and with `details` each verdict in full."""
    tables = [overview(verdicts)]
    if details:
        for verdict in verdicts:
            tables += [detail_table(verdict), *stage_tables(verdict)]
    return tables


def overview(verdicts: Sequence[Verdict]) -> Table:
    """One line a verdict."""
    rows = tuple(
        (
            text(each.claim.name),
            text(each.claim.sentence),
            text(each.claim.interval_text),
            _measured(each),
            text(each.decision),
        )
        for each in verdicts
    )
    hardware = unique(
        [f"{each.claim.name}: measured on {each.hardware}" for each in verdicts if each.hardware]
    )
    printed = [
        f"{each.claim.name}: the paper's own table contradicts its sentence: {table.text}"
        for each in verdicts
        for table in contradictions(each)
    ]
    steps = [f"{each.claim.name}: {each.next_step}" for each in verdicts if each.next_step]
    note = "refuted: the measured interval lies outside the claimed one, on either side; undecided: across an end or unmeasured"
    return Table(
        "Claims",
        ("claim", "says", "claimed", "measured", "verdict"),
        rows,
        (note, *hardware, *unique(printed), *steps),
    )


def contradictions(verdict: Verdict) -> list[PublishedFinding]:
    """Tables of the claim's own paper whose numbers lie outside the interval that its sentence claims."""
    return [each for each in verdict.published if each.own and each.agrees is False]


def _measured(verdict: Verdict) -> Cell:
    found = [measured_text(each, verdict.claim.unit) for each in verdict.findings if each.measured]
    return Cell("; ".join(found), "measured") if found else absent()


def detail_table(verdict: Verdict) -> Table:
    """One verdict in full."""
    claim = verdict.claim
    rows: list[tuple[str, str]] = [
        ("says", claim.sentence),
        ("paper", f"{claim.paper.title} ({claim.paper.venue} {claim.paper.year})"),
        ("read in", claim.source),
        ("not read", claim.unread),
        ("left open by the paper", claim.conditions.unstated),
        ("claimed", _claimed(claim)),
        *(("outcome", each.reason) for each in verdict.findings),
        *(("flips, scaling", flip) for flip in verdict.flips),
        *(("published", each.text) for each in verdict.published),
        *(("stand-in, decides nothing", each.reason) for each in verdict.stand_ins),
        *(("not used", each) for each in verdict.not_used),
        ("records", ", ".join(verdict.records)),
        ("to decide it", verdict.next_step),
    ]
    notes = [note for each in verdict.findings if each.measured for note in each.measured.notes]
    if contradictions(verdict):
        notes.insert(0, "the paper's own table contradicts its sentence: see published")
    return Table(
        f"{claim.name}: {verdict.decision}" + (f" on {verdict.hardware}" if verdict.hardware else ""),
        ("", ""),
        tuple((text(name), text(value)) for name, value in rows if value),
        unique(notes),
    )


def _claimed(claim: Claim) -> str:
    """The interval, and against how many opponents it is meant to hold where there are several."""
    if len(claim.pairs) < 2:
        return claim.interval_text
    return f"{claim.interval_text}, {'in every pair' if claim.over == 'every' else 'in at least one pair'}"


def stage_tables(verdict: Verdict) -> list[Table]:
    """Where the time goes on both sides, a table for all pairs of a claim about time; none for other claims."""
    medians = _medians(verdict.findings)
    if not medians:
        return []
    used = {name for stages in medians.values() for name in stages}
    stages = [name for name in (*STAGES, UNACCOUNTED) if name in used]
    rows = tuple(
        (
            text(label),
            *[_stage(each.get(name)) for name in stages],
            Cell(f"{sum(each.values()):,.0f}", "derived"),
        )
        for label, each in medians.items()
    )
    note = "medians of each stage, which need not add up to the median of the whole; unaccounted: what no stage claims"
    return [
        Table(
            f"{verdict.claim.name}: where the time goes, ms an image",
            ("method", *stages, "sum"),
            rows,
            (note,),
        )
    ]


def _medians(findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
    pairs = [side for each in findings if each.measured for side in each.measured.stages]
    return {label: dict(stages) for label, stages in pairs}


def _stage(value: float | None) -> Cell:
    return absent() if value is None else Cell(f"{value:,.1f}", "measured")
