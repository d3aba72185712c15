"""What a claim came to: a finding a pair, what published tables say, and the verdict over all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from benchbed.claims.claim import Claim, Pair

Decision = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True)
class Measured:
    """A number that a pair was judged by, in the claim's unit.

    Attributes:
        value, low, high: the estimate and its 95 % interval; equal where it was counted, not sampled.
        where: under which conditions, in words.
        evidence: ids of the records it comes from, or what else it was read from.
        notes: what a reader must know of it.
        stages: label -> stage -> median ms of an image, where it is a time.
        flips: where along a sweep the verdict changes, one sentence each.
        hardware: `cpu`, `cuda`, or "" where the number does not depend on it.
    """

    value: float
    low: float
    high: float
    where: str = ""
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stages: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    flips: tuple[str, ...] = ()
    hardware: str = ""


@dataclass(frozen=True)
class Finding:
    """One pair's outcome; `measured` is None where nothing fitting was measured, and `reason` says why."""

    pair: Pair
    decision: Decision
    reason: str
    measured: Measured | None = None


@dataclass(frozen=True)
class PublishedFinding:
    """What two published numbers make of the claim.

    Attributes:
        where: the table.
        own: of the claim's own paper.
        value, low, high: in the claim's unit; the ends are what rounding leaves open; NaN if a number is not there.
        agrees: inside the claimed interval; None where the numbers are not there or rounding leaves it open.
        text: the sentence.
    """

    where: str
    own: bool
    value: float
    low: float
    high: float
    agrees: bool | None
    text: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of one claim on one kind of hardware.

    Attributes:
        claim: what was claimed.
        decision: over all pairs.
        hardware: the machine, in words; "" where the claim does not depend on it, or nothing was measured.
        reason: one or more sentences.
        findings: of the claim's pairs.
        stand_ins: of its stand-ins, which decide nothing.
        published: of its citations.
        not_used: evidence of the right methods that does not meet the conditions, a sentence each.
        next_step: what would decide it, "" where it is decided.
    """

    claim: Claim
    decision: Decision
    hardware: str
    reason: str
    findings: tuple[Finding, ...]
    stand_ins: tuple[Finding, ...] = ()
    published: tuple[PublishedFinding, ...] = ()
    not_used: tuple[str, ...] = ()
    next_step: str = ""

    @property
    def flips(self) -> tuple[str, ...]:
        """The conditions under which it changes, each sentence once."""
        found = [flip for each in self.findings if each.measured for flip in each.measured.flips]
        return tuple(dict.fromkeys(found))

    @property
    def records(self) -> tuple[str, ...]:
        """Ids of what it rests on."""
        found = [name for each in self.findings if each.measured for name in each.measured.evidence]
        return tuple(dict.fromkeys(found))

    @property
    def span(self) -> tuple[float, float] | None:
        """The measured intervals of all pairs together; None where nothing was measured."""
        measured = [each.measured for each in self.findings if each.measured]
        if not measured:
            return None
        return min(m.low for m in measured), max(m.high for m in measured)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON; infinite ends become None."""
        claim = self.claim
        return {
            "name": claim.name,
            "paper": f"{claim.paper.title} ({claim.paper.venue} {claim.paper.year})",
            "sentence": claim.sentence,
            "source": claim.source,
            "unread": claim.unread,
            "metric": claim.metric,
            "unit": claim.unit,
            "claimed": claim.interval_text,
            "claimed_span": [finite(claim.low), finite(claim.high)],
            "measured": "; ".join(measured_text(each, claim.unit) for each in self.findings if each.measured),
            "measured_span": [None, None] if self.span is None else [finite(end) for end in self.span],
            "verdict": self.decision,
            "hardware": self.hardware,
            "reason": self.reason,
            "conditions": list(self.flips),
            "unstated": claim.conditions.unstated,
            "pairs": [finding_dict(each) for each in self.findings],
            "stand_ins": [finding_dict(each) for each in self.stand_ins],
            "published": [published_dict(each) for each in self.published],
            "not_used": list(self.not_used),
            "records": list(self.records),
            "next_step": self.next_step,
        }


def measured_text(finding: Finding, unit: str) -> str:
    """A finding's number with its interval, and against whom: "7.91 [7.84, 7.99] x against zegformer/r101"."""
    found = finding.measured
    if found is None:
        return "not measured"
    opponent = f" against {finding.pair.opponent}" if finding.pair.opponent else f" of {finding.pair.subject}"
    return f"{number_text(found, unit)}{opponent}"


def number_text(found: Measured, unit: str) -> str:
    """A number with its interval and unit."""
    sign = "+" if unit == "points" else ""
    if found.low == found.high:
        return f"{found.value:{sign}.3g} {unit}"
    high = f"{found.high:{sign}.2f}" if math.isfinite(found.high) else "..."
    return f"{found.value:{sign}.2f} [{found.low:{sign}.2f}, {high}] {unit}"


def finding_dict(each: Finding) -> dict[str, Any]:
    """Plain values of a finding."""
    found = each.measured
    plain: dict[str, Any] = {
        "subject": each.pair.subject,
        "opponent": each.pair.opponent,
        "verdict": each.decision,
        "reason": each.reason,
        "measured": None,
    }
    if found is not None:
        plain["measured"] = {
            "value": finite(found.value),
            "low": finite(found.low),
            "high": finite(found.high),
            "where": found.where,
            "records": list(found.evidence),
            "notes": list(found.notes),
            "stages_ms": {label: dict(stages) for label, stages in found.stages},
            "flips": list(found.flips),
        }
    return plain


def published_dict(each: PublishedFinding) -> dict[str, Any]:
    """Plain values of what a published table says."""
    return {
        "where": each.where,
        "own_table": each.own,
        "value": finite(each.value),
        "low": finite(each.low),
        "high": finite(each.high),
        "agrees": each.agrees,
        "text": each.text,
    }


def finite(value: float) -> float | None:
    """None for what JSON has no number for."""
    return value if math.isfinite(value) else None
