"""Accuracy against latency, with intervals on both axes and the Pareto front of what may be ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure
from benchbed.report.picture_file import group_name
from benchbed.report.plots.looks import look_of
from benchbed.report.plots.name_tags import Stretch, Tag, place_tags
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import GREY, INK, headline, log_axis, new_figure, shown, styled, within_reach
from benchbed.report.plots.words import counted, listed
from benchbed.report.rows import Row

HEIGHT: Final = 2.7  # inches
LEAST: Final = 6.0  # points of accuracy on the axis
WIDE: Final = 4.0  # a range of latencies, highest to lowest, from which on their axis is logarithmic


@dataclass(frozen=True)
class Point:
    """A row's place."""

    row: Row
    x: Figure
    y: Figure


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, worth) pairs that no other beats or equals in both, by rising cost.

    Of two equal pairs the first counts.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    front: list[int] = []
    for i in order:
        if not front or points[i][1] > points[front[-1]][1]:
            front.append(i)
    return front


def tradeoff_plot(rows: Sequence[Row]) -> Plot | None:
    """Accuracy (hIoU, or mIoU where there is none) against median latency.

    Args:
        rows: of one group and one machine (`Row.speed_group`).

    Returns:
        None where no row has both.
    """
    metric = "hiou" if any(_finite(row.figure("hiou")) for row in rows) else "miou"
    points = _points(rows, metric)
    if not points:
        return None
    texts = tuple(each.row.label for each in points)
    with styled(texts):
        figure, (axes,) = new_figure(HEIGHT)
        for point in points:
            _draw(axes, point)
        _frame(axes, points, metric)
        place = points[0].row.provenance
        headline(
            figure,
            f"{points[0].row.dataset}, {place.coverage}, {place.protocol} {place.fingerprint[:8]}",
        )
        front = _draw_front(axes, points)
        tags = [_tag(each) for each in sorted(points, key=_tagged_first)]
        left_out = place_tags(figure, axes, tags, [*_arms(points), *_steps(axes, front)])
    name = f"tradeoff-{group_name(points[0].row)}"
    return Plot(name, figure, _caption(rows, points, metric, left_out), _alt(points, metric, front), texts)


def _points(rows: Sequence[Row], metric: str) -> list[Point]:
    found = [(row, row.figure("latency"), row.figure(metric)) for row in rows]
    return [Point(row, x, y) for row, x, y in found if x and y and _finite(x) and _finite(y) and x.value > 0]


def _finite(figure: Figure | None) -> bool:
    return figure is not None and within_reach(figure.value)


def _draw(axes: Axes, point: Point) -> None:
    look = look_of(point.row.method, point.row.family, point.row.colour)
    x, y = point.x.value, point.y.value
    axes.plot(interval(point.x), [y, y], color=look.colour, linewidth=0.8, solid_capstyle="butt", zorder=2.5)
    axes.plot([x, x], interval(point.y), color=look.colour, linewidth=0.8, solid_capstyle="butt", zorder=2.5)
    fill = look.colour if point.row.ranked else "white"
    axes.plot(
        x,
        y,
        look.marker,
        color=look.colour,
        markersize=4.5,
        markerfacecolor=fill,
        markeredgewidth=1.0,
        zorder=3,
    )


def interval(figure: Figure) -> list[float]:
    """Both ends; one that is not finite is the value itself, which draws no arm there."""
    return [end if within_reach(end) else figure.value for end in (figure.low, figure.high)]


def _frame(axes: Axes, points: Sequence[Point], metric: str) -> None:
    values = [point.x.value for point in points]
    axes.margins(0.14)
    _widen(axes)
    if max(values) / min(values) > WIDE:
        log_axis(axes, "x")
    axes.set_xlabel("latency, ms (median)")
    axes.set_ylabel(f"{FIGURES[metric].heading}, %")
    axes.grid(True)


def _widen(axes: Axes) -> None:
    """At least 6 points of accuracy from bottom to top, so that noise does not look like a difference; none below 0."""
    low, high = axes.get_ylim()
    missing = max(LEAST - (high - low), 0.0)
    low, high = low - missing / 2, high + missing / 2
    floor = -0.05 * (high - low)  # half a mark's height
    if low < floor:
        low, high = floor, high + floor - low
    axes.set_ylim(low, high)


def _draw_front(axes: Axes, points: Sequence[Point]) -> list[Point]:
    """Draw the front; returns the points on it, none where fewer than two may be ranked."""
    ranked = [point for point in points if point.row.ranked]
    if len(ranked) < 2:
        return []
    front = [ranked[i] for i in pareto_front([(each.x.value, each.y.value) for each in ranked])]
    xs, ys = [each.x.value for each in front], [each.y.value for each in front]
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    axes.step([xs[0], *xs, right], [bottom, *ys, ys[-1]], where="post", color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlim(axes.get_xlim()[0], right)
    axes.set_ylim(bottom, axes.get_ylim()[1])
    axes.add_artist(
        axes.legend([Line2D([], [], color=GREY, linewidth=0.8)], ["Pareto front"], loc="lower right")
    )
    return front


def _arms(points: Sequence[Point]) -> list[Stretch]:
    """Where intervals are drawn."""
    across = [[(x, point.y.value) for x in interval(point.x)] for point in points]
    up = [[(point.x.value, y) for y in interval(point.y)] for point in points]
    return [(first, second) for first, second in (*across, *up)]


def _steps(axes: Axes, front: Sequence[Point]) -> list[Stretch]:
    """Where the front's line is drawn, if there is one."""
    if not front:
        return []
    xs, ys = [each.x.value for each in front], [each.y.value for each in front]
    ends = zip([*xs[1:], axes.get_xlim()[1]], [axes.get_ylim()[0], *ys], strict=False)
    return [
        stretch
        for x, y, (right, below) in zip(xs, ys, ends, strict=True)
        for stretch in (((x, below), (x, y)), ((x, y), (right, y)))
    ]


def _tagged_first(point: Point) -> tuple[bool, float]:
    return not point.row.ranked, -point.y.value


def _tag(point: Point) -> Tag:
    return Tag(shown(point.row.label), point.x.value, point.y.value, INK)


def _caption(rows: Sequence[Row], points: Sequence[Point], metric: str, left_out: Sequence[str]) -> str:
    parts = [
        f"{FIGURES[metric].heading} against latency on {points[0].row.dataset}; {points[0].row.provenance.processor}.",
        "Bars: 95 % intervals, over images and over timed rounds.",
    ]
    if any(not point.row.ranked for point in points):
        parts.append("Hollow: random weights or a supervised reference, never ranked.")
    if sum(point.row.ranked for point in points) > 1:
        parts.append("Line: Pareto front of the others, by their estimates alone.")
    if left_out:
        parts.append(f"No room for the names of {listed(left_out)}.")
    absent = [row.label for row in rows if row not in [point.row for point in points]]
    if absent:
        parts.append(f"Not shown, for want of accuracy or latency: {listed(absent)}.")
    return " ".join(parts)


def _alt(points: Sequence[Point], metric: str, front: Sequence[Point]) -> str:
    each = "; ".join(f"{p.row.label} {p.y.value:.1f} % at {p.x.value:.3g} ms" for p in points[:12])
    best = f" On the Pareto front: {listed([p.row.label for p in front], 12)}." if front else ""
    return f"{FIGURES[metric].heading} and latency of {counted(len(points), 'method')}: {each}.{best}"
