"""What papers claim against what was measured: a band and a point with its interval, a line a claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import GREY, PALE, SMALL, headline, log_axis, new_figure, shown, styled
from benchbed.report.plots.words import listed

Decision = Literal["supported", "refuted", "undecided"]
# Okabe and Ito's green, vermillion and a grey; the shape says it too.
LOOKS: Final[dict[str, tuple[str, str]]] = {
    "supported": ("#009e73", "o"),
    "refuted": ("#d55e00", "X"),
    "undecided": ("#767676", "D"),
}
ROW: Final = 0.42  # inches
BAND: Final = 0.24  # half a band's height, where lines are 1 apart; a claim's name stands above it
WIDE: Final = 8.0
MOST: Final = 16  # claims a plot


@dataclass(frozen=True)
class ClaimInterval:
    """One claim, or one pair of one.

    Attributes:
        name: short, of the line.
        unit: "x", "points", "%", ...; claims of one unit share a plot.
        claimed_low, claimed_high: what the paper says; infinite where it leaves an end open.
        value, low, high: what was measured, NaN where nothing was.
        decision: the verdict.
        where: the hardware that it was measured on, "" where that does not matter.
    """

    name: str
    unit: str
    claimed_low: float
    claimed_high: float
    value: float
    low: float
    high: float
    decision: Decision
    where: str = ""


def claims_plot(claims: Sequence[ClaimInterval], title: str = "") -> Plot | None:
    """Claimed intervals as bands, measured ones as points with bars.

    Args:
        claims: of one unit; of more than 16 the first.
        title: above the axes; where there is none, the hardware, if all that was measured on any share it.

    Returns:
        None where there are none, or no end of any is finite.

    Raises:
        ValueError: claims of different units.
    """
    if len({claim.unit for claim in claims}) > 1:
        raise ValueError("claims of one plot share their unit")
    claims, left_out = claims[:MOST], claims[MOST:]
    numbers = [n for claim in claims for n in _numbers(claim)]
    if not numbers:
        return None
    places = sorted({claim.where for claim in claims if claim.where})
    title = title or (places[0] if len(places) == 1 else "")
    if len(places) > 1:
        claims = [
            replace(claim, name=f"{claim.name} ({claim.where})") if claim.where else claim for claim in claims
        ]
    texts = tuple(claim.name for claim in claims)
    with styled((*texts, title)):
        figure, (axes,) = new_figure(0.95 + ROW * len(claims))
        low, high = _limits(axes, numbers)
        for place, claim in enumerate(reversed(claims)):
            _draw(axes, place, claim, low, high)
        axes.set_yticks([])
        axes.set_ylim(-0.5, len(claims) - 0.3)
        axes.spines["left"].set_color(PALE)
        axes.grid(True, axis="x")
        axes.set_xlabel(_heading(claims[0].unit))
        headline(figure, title)
        figure.legend(*_legend(claims), loc="outside lower left", ncols=2, columnspacing=1.0)
    name = (
        "claims"
        if claims[0].unit == ""
        else f"claims-{''.join(c for c in claims[0].unit if c.isalnum()) or 'percent'}"
    )
    return Plot(name, figure, _caption(claims, left_out), _alt(claims), (*texts, title))


def _numbers(claim: ClaimInterval) -> list[float]:
    ends = (claim.claimed_low, claim.claimed_high, claim.value, claim.low, claim.high)
    return [end for end in ends if math.isfinite(end)]


def _limits(axes: Axes, numbers: Sequence[float]) -> tuple[float, float]:
    """Set the axis so that all numbers and some room are on it; returns its ends."""
    low, high = min(numbers), max(numbers)
    if low > 0 and high / low > WIDE:
        axes.set_xlim(low / 1.25, high * 1.25)
        log_axis(axes, "x")
    else:
        room = 0.12 * (high - low or abs(high) or 1.0)
        axes.set_xlim(low - room, high + room)
    left, right = axes.get_xlim()
    return float(left), float(right)


def _draw(axes: Axes, place: int, claim: ClaimInterval, left: float, right: float) -> None:
    axes.text(
        0.0,
        place + BAND + 0.05,
        _above(claim),
        transform=axes.get_yaxis_transform(),
        va="bottom",
        fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},  # no grid line through letters
        zorder=1.5,
    )
    start = claim.claimed_low if math.isfinite(claim.claimed_low) else left
    end = claim.claimed_high if math.isfinite(claim.claimed_high) else right
    axes.fill_betweenx([place - BAND, place + BAND], start, end, color=PALE, linewidth=0, zorder=1)
    for x in {start, end} - {left, right}:
        axes.plot([x, x], [place - BAND, place + BAND], color=GREY, linewidth=0.8, zorder=2)
    for x, end, marker in ((left, claim.claimed_low, "<"), (right, claim.claimed_high, ">")):
        if math.isinf(end):  # the claim goes on beyond the axis
            axes.plot(x, place, marker, color=GREY, markersize=4.0, clip_on=False, zorder=2)
    if not math.isfinite(claim.value):
        return
    colour, marker = LOOKS[claim.decision]
    low = claim.low if math.isfinite(claim.low) else claim.value
    high = claim.high if math.isfinite(claim.high) else claim.value
    axes.plot([low, high], [place, place], color=colour, linewidth=1.3, zorder=3)
    axes.plot(claim.value, place, marker, color=colour, markersize=4.5, zorder=4)


def _above(claim: ClaimInterval) -> str:
    """What stands above a claim's line."""
    if math.isfinite(claim.value):
        return shown(claim.name, 52)
    return f"{shown(claim.name, 38)} (not measured)"


def _heading(unit: str) -> str:
    return {"x": "times", "": "value"}.get(unit, unit)


def _legend(claims: Sequence[ClaimInterval]) -> tuple[list[Patch | Line2D], list[str]]:
    used = [name for name in LOOKS if any(c.decision == name and math.isfinite(c.value) for c in claims)]
    marks = [
        Line2D([], [], color=LOOKS[n][0], marker=LOOKS[n][1], markersize=4.5, linewidth=1.3) for n in used
    ]
    return [Patch(color=PALE), *marks], ["claimed", *[f"measured: {name}" for name in used]]


def _caption(claims: Sequence[ClaimInterval], left_out: Sequence[ClaimInterval]) -> str:
    parts = ["Grey: what the papers claim. Points: what was measured here, with 95 % intervals."]
    unmeasured = [claim.name for claim in claims if not math.isfinite(claim.value)]
    if unmeasured:
        parts.append(f"Not measured: {listed(unmeasured)}.")
    if left_out:
        parts.append(f"Not shown: {listed([claim.name for claim in left_out])}.")
    return " ".join(parts)


def _alt(claims: Sequence[ClaimInterval]) -> str:
    each = []
    for claim in claims:
        found = "not measured"
        if math.isfinite(claim.value):
            found = f"measured {claim.value:.3g} ({claim.low:.3g} to {claim.high:.3g}), {claim.decision}"
        each.append(f"{claim.name}: claimed {claim.claimed_low:g} to {claim.claimed_high:g}, {found}")
    return f"Claims against measurements: {'; '.join(each)}."
