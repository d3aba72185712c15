"""Accuracy of a pair: paired over the same images, or one method against a published number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from benchbed.claims.claim import Claim, Pair
from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Measured
from benchbed.claims.printed import opponent_number
from benchbed.compare import compare
from benchbed.records import Record
from benchbed.report.figures import accuracy_figures

FEWEST_IMAGES: Final = (
    10  # below it an interval over images means little (benchbed.report.run_tables.FEW_IMAGES)
)


def accurate(
    claim: Claim, pair: Pair, evidence: Evidence, stand_in: bool = False
) -> tuple[Measured | None, list[str]]:
    """The difference in points, or None; and why records of these methods were not used.

    Args:
        claim: about an accuracy metric.
        pair: with an opponent measured or published.
        evidence: records are looked through from the newest.
        stand_in: the embedded dataset will do: the result decides nothing.
    """
    not_used = []
    for ours in _newest(evidence.records, pair.subject):
        wrong = unfit(claim, ours, stand_in)
        if wrong:
            not_used.append(f"{ours.id} ({ours.label} on {ours.dataset['name']}): {wrong}")
            continue
        found = (
            _against_published(claim, pair, ours)
            if pair.published
            else _against(claim, pair, ours, evidence, stand_in)
        )
        if found is not None:
            return found, not_used
    return None, not_used


def _newest(records: Sequence[Record], label: str) -> list[Record]:
    return [record for record in reversed(records) if record.label == label and record.counts is not None]


def unfit(claim: Claim, record: Record, stand_in: bool) -> str:
    """Why a record cannot stand for a side of this claim, "" if it can."""
    wanted, weights = claim.conditions, record.method["weights"]
    name = record.dataset["name"]
    if record.dataset["embedded"] and not stand_in:
        return "the embedded dataset ranks nothing in the real world"
    if wanted.dataset not in (None, name) and not stand_in:
        return f"dataset {name}, not {wanted.dataset}"
    if wanted.weights == "trained" and record.random_weights:
        return "random weights"
    if not stand_in and (weights.get("not_for") or {}).get(name):
        return str(weights["not_for"][name])
    if wanted.protocol not in (None, record.protocol["name"]):
        return f"protocol {record.protocol['name']}, not {wanted.protocol}"
    if record.dataset["images"] < FEWEST_IMAGES:
        return f"{record.dataset['images']} images, not {FEWEST_IMAGES} or more"
    return ""


def _against(claim: Claim, pair: Pair, ours: Record, evidence: Evidence, stand_in: bool) -> Measured | None:
    for theirs in _newest(evidence.records, pair.against):
        if theirs.group != ours.group or unfit(claim, theirs, stand_in):
            continue
        found = compare([ours, theirs])[0].differences[claim.metric]
        if not math.isnan(found.value):
            interval = found.interval
            return Measured(
                100 * found.value,
                100 * interval.low,
                100 * interval.high,
                where=_where(ours),
                evidence=(ours.id, theirs.id),
                notes=_notes(ours, theirs),
            )
    return None


def _against_published(claim: Claim, pair: Pair, ours: Record) -> Measured | None:
    figure = accuracy_figures(ours).get(claim.metric)
    number = opponent_number(next(each for each in claim.citations if each.name == pair.published))
    if figure is None or number is None or math.isnan(figure.low):
        return None
    return Measured(
        figure.value - number.value,
        figure.low - number.value,
        figure.high - number.value,
        where=f"{_where(ours)}; {number.method} quoted: {number.text} ({number.lines[0]})",
        evidence=(ours.id,),
        notes=_notes(ours),
    )


def _where(record: Record) -> str:
    return f"{record.dataset['name']}, {record.dataset['coverage']}, protocol {record.protocol['name']}"


def _notes(*records: Record) -> tuple[str, ...]:
    first = records[0].dataset
    part = first["images"] < first["full_size"]
    notes = [f"{first['coverage']}: not the official {first['split']} split as a whole"] if part else []
    return (
        *notes,
        *dict.fromkeys(
            f"{r.label}: {r.method['weights']['note']}" for r in records if r.method["weights"]["note"]
        ),
    )
