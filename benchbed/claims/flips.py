"""Where along a sweep a verdict changes: time = a + b n for each side, solved for the ends of the claimed interval."""

from __future__ import annotations

import math
from typing import Final

from benchbed.claims.claim import Claim
from benchbed.cost.scaling import FAR, Law, fit_laws, where_ratio
from benchbed.cost.statistics import Estimate
from benchbed.cost_records import CostRecord, law_samples
from benchbed.report.law_words import law_words

STEP: Final = 1e-3  # relative: on which side of a crossing the ratio is the larger one


def flips(claim: Claim, record: CostRecord, subject: str, against: str) -> tuple[str, ...]:
    """One sentence for each finite end of the claimed interval, and one for the range in which the claim holds.

    Args:
        claim: about latency.
        record: with a sweep of the claim's axis, or without one, which gives no sentences.
        subject, against: their keys in the record.
    """
    axis = claim.sweep.axis if claim.sweep else next(iter(record.sweeps), "")
    if axis not in record.sweeps or axis == "size":
        return ()
    samples = law_samples(record, axis)
    laws = fit_laws({key: samples[key] for key in (subject, against) if key in samples})
    if len(laws) < 2:
        return ()
    ours, theirs = laws[subject], laws[against]
    ends = [end for end in (claim.low, claim.high) if math.isfinite(end) and end > 0]
    labels = f"{record.label(subject)} against {record.label(against)}"
    sentences = [_sentence(end, ours, theirs, axis) for end in ends]
    return tuple(f"{labels}: {each}" for each in (*sentences, _law_text(ours, theirs, axis)))


def _sentence(end: float, ours: Law, theirs: Law, axis: str) -> str:
    """Where the ratio reaches one end."""
    x = where_ratio(theirs, ours, end)
    highest = max(ours.high_x, theirs.high_x)
    if x is None:
        far = FAR * highest
        return f"{end:g}x is reached at no number of {axis} up to {far:,.0f} ({ratio_at(ours, theirs, far):.2f}x there)"
    rising = ratio_at(ours, theirs, x.value * (1 + STEP)) > ratio_at(ours, theirs, x.value * (1 - STEP))
    lowest = min(law.low_x for law in (ours, theirs) if law.points > 1)
    outside = (
        "" if lowest <= x.value <= highest else f", extrapolated: {lowest:g} to {highest:g} were measured"
    )
    return f"{end:g}x is reached from {_count(x, rising)} {axis} {'up' if rising else 'down'}{_interval(x)}{outside}"


def _count(x: Estimate, rising: bool) -> str:
    """The first whole number on the side where the ratio is reached; its 95 % interval stands behind."""
    return f"{math.ceil(x.value) if rising else math.floor(x.value):,}"


def _interval(x: Estimate) -> str:
    high = f"{x.high:,.0f}" if math.isfinite(x.high) else "..."
    return f" [{x.low:,.0f}, {high}]"


def ratio_at(ours: Law, theirs: Law, x: float) -> float:
    """How many times our time theirs is, by the laws."""
    return theirs.at(x).value / ours.at(x).value


def _law_text(ours: Law, theirs: Law, axis: str) -> str:
    """Both laws, ms an image."""
    return f"ms = {_words(ours, axis)} against {_words(theirs, axis)}"


def _words(law: Law, axis: str) -> str:
    """A law in words, e.g. "3,150 + 0.4 n (n: proposals)"."""
    return law_words(law, symbol="n", square="^2", digits=4) + (
        f" (n: {axis})" if law.kind != "constant" else ""
    )
