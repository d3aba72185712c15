"""How a cost grows with proposals, classes, size or batch: measured points with intervals, and the fitted law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from benchbed.report.picture_file import slug
from benchbed.report.plots.looks import look_of
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import headline, log_axis, new_figure, shown, styled, within_reach
from benchbed.report.plots.words import counted

HEIGHT: Final = 2.6  # inches
APART: Final = 3.0  # points of length between methods measured at one place
WIDE: Final = 8.0  # a range from which on an axis is logarithmic


@dataclass(frozen=True)
class ScalingPoint:
    """A measured value at x with its interval, in the curve's units."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScalingCurve:
    """One method over one axis.

    Attributes:
        label: `method/variant`, perhaps with options.
        family: the method's family, "" where unknown.
        over: what grows, unit included: "proposals", "classes", "input, megapixels", "images a batch".
        of: what it costs, unit included: "latency, ms an image".
        points: rising in x; at least one.
        law: points of the fitted law, rising in x; empty where nothing was fitted. A single x: a constant.
        words: the law in words, "47 + 3.1 x ms"; "" where there is none.
        colour: what the method's card says, "" where nothing.
    """

    label: str
    family: str
    over: str
    of: str
    points: tuple[ScalingPoint, ...]
    law: tuple[tuple[float, float], ...] = ()
    words: str = ""
    colour: str = ""

    @property
    def method(self) -> str:
        """The method's name."""
        return self.label.partition("/")[0]


def scaling_plot(curves: Sequence[ScalingCurve], title: str = "", name: str = "") -> Plot | None:
    """Points, intervals and laws of several methods over the same axis.

    Args:
        curves: of the same `over` and `of`.
        title: above the axes: conditions, in words.
        name: of the file, added to "scaling-<what grows>".

    Returns:
        None where no point is finite.

    Raises:
        ValueError: curves over different things.
    """
    if len({(curve.over, curve.of) for curve in curves}) > 1:
        raise ValueError("curves of one plot share what grows and what it costs")
    usable = [(curve, points) for curve in curves if (points := _finite(curve))]
    if not usable:
        return None
    first = usable[0][0]
    texts = tuple(curve.label for curve, _ in usable)
    with styled((*texts, title)):
        figure, (axes,) = new_figure(HEIGHT + 0.16 * -(-len(usable) // 2))
        axes.margins(0.1)
        for place, (curve, points) in enumerate(usable):
            aside = APART * (place - (len(usable) - 1) / 2) / 72
            _draw(axes, curve, points, ScaledTranslation(aside, 0, figure.dpi_scale_trans))
        _frame(axes, usable)
        headline(figure, title)
        marks = [_mark(curve) for curve, _ in usable]
        names = [shown(curve.label, 20) for curve, _ in usable]
        figure.legend(marks, names, loc="outside lower left", ncols=2, columnspacing=1.0)
    file = "-".join(part for part in ("scaling", slug(first.over.partition(",")[0]), name) if part)
    return Plot(file, figure, _caption(usable), _alt(usable), (*texts, title))


def _finite(curve: ScalingCurve) -> list[ScalingPoint]:
    return [point for point in curve.points if within_reach(point.x) and within_reach(point.value)]


def _draw(axes: Axes, curve: ScalingCurve, points: Sequence[ScalingPoint], aside: Transform) -> None:
    """Points a little aside of where they are, lest bars of several methods lie in one line; laws in place."""
    look = look_of(curve.method, curve.family, curve.colour)
    arms = [
        [max(p.value - p.low, 0.0) if within_reach(p.low) else 0.0 for p in points],
        [max(p.high - p.value, 0.0) if within_reach(p.high) else 0.0 for p in points],
    ]
    xs, ys = [p.x for p in points], [p.value for p in points]
    axes.errorbar(
        xs,
        ys,
        yerr=arms,
        fmt=look.marker,
        color=look.colour,
        markersize=3.6,
        elinewidth=0.8,
        zorder=3,
        transform=axes.transData + aside,
    )
    axes.update_datalim([(p.x, y) for p in points for y in (p.low, p.high, p.value) if within_reach(y)])
    axes.autoscale_view()
    law = [(x, y) for x, y in curve.law if within_reach(y)]
    if len(law) > 1:
        axes.plot(*zip(*law, strict=True), color=look.colour, linewidth=0.9, zorder=2)
    elif len(points) == 1 or len(law) == 1:
        axes.axhline(
            law[0][1] if law else ys[0], color=look.colour, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2
        )


def _frame(axes: Axes, usable: Sequence[tuple[ScalingCurve, Sequence[ScalingPoint]]]) -> None:
    for which, values in (
        ("x", [p.x for _, points in usable for p in points]),
        ("y", [p.value for _, points in usable for p in points]),
    ):
        if min(values) > 0 and max(values) / min(values) > WIDE:
            log_axis(axes, which)
        elif which == "y":
            axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]) if min(values) >= 0 else None)
    axes.set_xlabel(usable[0][0].over)
    axes.set_ylabel(usable[0][0].of)
    axes.grid(True)


def _mark(curve: ScalingCurve) -> Line2D:
    look = look_of(curve.method, curve.family, curve.colour)
    return Line2D([], [], color=look.colour, marker=look.marker, markersize=3.6, linewidth=0.9)


def _caption(usable: Sequence[tuple[ScalingCurve, Sequence[ScalingPoint]]]) -> str:
    first = usable[0][0]
    beside = ", methods beside each other" if len(usable) > 1 else ""
    parts = [f"{first.of.capitalize()} over {first.over}; bars: 95 % intervals{beside}."]
    laws = [f"{curve.label}: {curve.words}" for curve, _ in usable if curve.words]
    if laws:
        parts.append(f"Lines: fitted laws, {'; '.join(laws)}.")
    if any(len(points) == 1 for _, points in usable):
        parts.append("Dashed: does not depend on it, measured once.")
    return " ".join(parts)


def _alt(usable: Sequence[tuple[ScalingCurve, Sequence[ScalingPoint]]]) -> str:
    each = "; ".join(
        f"{curve.label} from {points[0].value:.3g} at {points[0].x:g} to {points[-1].value:.3g} at {points[-1].x:g}"
        for curve, points in usable
    )
    first = usable[0][0]
    return f"{first.of} over {first.over}, {counted(len(usable), 'method')}: {each}."
