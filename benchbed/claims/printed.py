"""What published tables make of a claim: the paper's own may contradict its sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchbed.claims.claim import Citation, Claim
from benchbed.claims.outcome import PublishedFinding
from benchbed.report.published import Published, published

FASTER = "throughput"  # images a second: the more, the better, unlike latency


def printed(claim: Claim) -> tuple[PublishedFinding, ...]:
    """One finding a citation, in the claim's order."""
    return tuple(_finding(claim, each) for each in claim.citations)


def _finding(claim: Claim, citation: Citation) -> PublishedFinding:
    subject, opponent = subject_number(citation), opponent_number(citation)
    if subject is None or opponent is None:
        absent = citation.subject if subject is None else citation.against
        text = f"{citation.where}: no number of {absent} in results/published"
        return PublishedFinding(citation.where, citation.own, math.nan, math.nan, math.nan, None, text)
    value, low, high = _combined(claim, citation, subject, opponent)
    side = claim.side_of(low, high)
    agrees = {"inside": True, "across": None}.get(side, False)
    unit = claim.unit
    sign = "" if claim.comparison == "times less" else "+"
    numbers = f"{subject.method} {subject.text}, {opponent.method} {opponent.text}{_year(citation, opponent)}"
    word = {"inside": "inside", "across": "by rounding across an end of", "below": "below", "above": "above"}[
        side
    ]
    text = (
        f"{citation.where}: {numbers}: {value:{sign}.2f} {unit}, {word} the claimed {claim.interval_text} "
        f"({subject.lines[0]}, {opponent.lines[0]})"
    )
    return PublishedFinding(citation.where, citation.own, value, low, high, agrees, text)


def _year(citation: Citation, opponent: Published) -> str:
    """Whose number it is, where the best of all tables is meant."""
    return (
        f" ({' '.join(filter(None, (opponent.venue, opponent.year)))})"
        if citation.against == "*" and opponent.year
        else ""
    )


def subject_number(citation: Citation) -> Published | None:
    """The subject's number; None where it is not there."""
    return _best([each for each in _fitting(citation) if each.method == citation.subject])


def opponent_number(citation: Citation) -> Published | None:
    """The opponent's number, of the best other method for `*`; None where it is not there."""
    if citation.against != "*":
        return _best([each for each in _fitting(citation) if each.method == citation.against])
    return _best([each for each in _fitting(citation) if each.method != citation.subject])


def _best(found: Sequence[Published]) -> Published | None:
    return max(found, key=lambda each: each.value, default=None)


def _fitting(citation: Citation) -> list[Published]:
    return [
        each
        for each in published()
        if each.metric == citation.metric
        and each.dataset == citation.dataset
        and (not citation.setting or each.setting == citation.setting)
        and citation.source in each.source
        and not math.isnan(each.value)
    ]


def _combined(
    claim: Claim, citation: Citation, subject: Published, opponent: Published
) -> tuple[float, float, float]:
    """Value and the ends that rounding leaves open, in the claim's unit."""
    (s, s_low, s_high), (o, o_low, o_high) = _range(subject), _range(opponent)
    if claim.comparison == "times less":
        if citation.metric == FASTER:
            return s / o, s_low / o_high, s_high / o_low
        return o / s, o_low / s_high, o_high / s_low
    return s - o, s_low - o_high, s_high - o_low


def _range(number: Published) -> tuple[float, float, float]:
    """A printed number with half a unit of its last place to both sides."""
    places = len(number.text.partition(".")[2])
    half = 0.5 * 10.0**-places
    return number.value, number.value - half, number.value + half
