"""What would have to be measured to decide claims, and which of them share one run. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchbed.claims.claim import Claim, Conditions, Sweep
from benchbed.claims.evidence import Evidence
from benchbed.claims.verdict import find
from benchbed.cost.conditions import DEFAULT_CLASSES, DEFAULT_SIZE

# Of the time given, the rounds' share: the rest builds networks, runs each once cold, counts FLOPs, weighs memory and compares
# predictions, some six passes of each full-size method.
ROUNDS_SHARE: Final = 0.5
MINUTES: Final = 14.0  # by default, all in all; the issue allows 15 on two cores


@dataclass(frozen=True)
class CostPlan:
    """One interleaved run that serves one or more claims.

    Attributes:
        claims: their names.
        labels: what is timed side by side.
        conditions: the claims', with a size and a number of classes.
        sweep: along which a verdict may flip, or None.
        seconds: for the timed rounds.
    """

    claims: tuple[str, ...]
    labels: tuple[str, ...]
    conditions: Conditions
    sweep: Sweep | None
    seconds: float

    @property
    def words(self) -> str:
        """What it does, for a person."""
        size = self.conditions.size or DEFAULT_SIZE
        swept = f", {self.sweep.axis} {', '.join(map(str, self.sweep.values))}" if self.sweep else ""
        return (
            f"{', '.join(self.claims)}: latency of {', '.join(self.labels)} interleaved at {size[0]}x{size[1]} pixels, "
            f"{self.conditions.classes or DEFAULT_CLASSES} classes, protocol {self.conditions.protocol or 'matched'}{swept}; "
            f"random weights; rounds for {self.seconds / 60:.1f} minutes"
        )


@dataclass(frozen=True)
class TrialPlan:
    """Label sets of several lengths and orders through one method."""

    claim: str
    label: str

    @property
    def words(self) -> str:
        """What it does, for a person."""
        return f"{self.claim}: label sets of several lengths and orders through {self.label}"


def plan(
    claims: Sequence[Claim], evidence: Evidence, hardware: str, minutes: float
) -> list[CostPlan | TrialPlan]:
    """Everything that is missing on this kind of hardware and can be measured without data or trained weights.

    Args:
        claims: to decide.
        evidence: what is there already.
        hardware: `cpu` or `cuda`.
        minutes: for all timed runs together, all in all.
    """
    timed = [_timed(claim) for claim in claims if _missing(claim, evidence, hardware)]
    merged: dict[tuple[Conditions, Sweep | None], CostPlan] = {}
    for each in timed:
        key = (each.conditions, each.sweep)
        merged[key] = _joined(merged[key], each) if key in merged else each
    seconds = ROUNDS_SHARE * 60 * minutes / max(1, len(merged))
    costs = [replace(each, seconds=seconds) for each in merged.values()]
    trials = [
        TrialPlan(claim.name, pair.subject)
        for claim in claims
        if claim.metric == "label_sets"
        for pair in claim.pairs
        if find(claim, pair, evidence, "")[0].measured is None
    ]
    return [*costs, *trials]


def _missing(claim: Claim, evidence: Evidence, hardware: str) -> bool:
    """Whether a pair of a claim about time has no fitting run on this hardware, and the hardware may decide it."""
    if claim.metric != "latency" or claim.conditions.hardware not in ("any", hardware):
        return False
    return any(
        pair.against and find(claim, pair, evidence, hardware)[0].measured is None for pair in claim.pairs
    )


def _timed(claim: Claim) -> CostPlan:
    conditions = replace(claim.conditions, unstated="", dataset=None, weights="any")
    return CostPlan((claim.name,), claim.labels, conditions, claim.sweep, 0.0)


def _joined(one: CostPlan, other: CostPlan) -> CostPlan:
    labels = tuple(dict.fromkeys((*one.labels, *other.labels)))
    return replace(one, claims=(*one.claims, *other.claims), labels=labels)
