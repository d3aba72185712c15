"""IoU of each class, unseen and seen apart, sorted, a mark a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchbed.report.figures import seen_mask
from benchbed.report.picture_file import group_name
from benchbed.report.plots.looks import look_of
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import PALE, head, new_figure, shown, styled
from benchbed.report.plots.words import listed
from benchbed.report.rows import Row
from benchbed.report.summary import class_iou

METHODS: Final = 6  # more marks a line cannot be told apart
MOST: Final = 24  # classes a set; of more, the best and the worst
ENDS: Final = 10  # so many of each
ROW: Final = 0.145  # inches


@dataclass(frozen=True)
class _Line:
    """A class's line; `place` is None for the one that stands for the classes between best and worst."""

    text: str
    place: int | None


def classes_plot(rows: Sequence[Row]) -> Plot | None:
    """Per-class IoU in percent, the classes with the highest mean over the methods on top.

    Args:
        rows: of one group. Of more than 6, those with the best hIoU; rows with random weights only where there are no others.

    Returns:
        None where no row has counts.
    """
    counted = [row for row in rows if row.record and row.record.counts]
    chosen = sorted([row for row in counted if not row.random] or counted, key=_best_first)
    if not chosen:
        return None
    chosen, left_out = chosen[:METHODS], chosen[METHODS:]
    record = chosen[0].record
    assert record is not None
    names, seen = list(record.dataset["names"]), seen_mask(record)
    values = np.array([_values(row) for row in chosen])  # [methods, K]
    sets = [(title, lines) for title, lines in _sets(names, seen, values) if lines]
    texts = (*names, *[row.label for row in chosen])
    with styled(texts):
        heights = [len(lines) for _, lines in sets]
        height = ROW * sum(heights) + 0.34 * len(sets) + 0.35 + 0.16 * -(-len(chosen) // 2)
        figure, panels = new_figure(height, len(sets), height_ratios=heights, sharex=True)
        for axes, (title, lines) in zip(panels, sets, strict=True):
            _panel(axes, f"{chosen[0].dataset}: {title}", lines, values, chosen)
        panels[-1].set_xlabel("IoU, %")
        marks = [_mark(row) for row in chosen]
        figure.legend(marks, [shown(row.label, 20) for row in chosen], loc="outside lower left", ncols=2)
    caption = _caption(chosen[0], len(chosen), left_out, any(len(lines) > MOST - 1 for _, lines in sets))
    return Plot(f"classes-{group_name(chosen[0])}", figure, caption, _alt(names, values, chosen), texts)


def _best_first(row: Row) -> tuple[float, str]:
    figure = row.figure("hiou")
    value = figure.value if figure is not None and figure.value == figure.value else -1.0
    return -value, row.label


def _values(row: Row) -> list[float]:
    assert row.record is not None
    return [float("nan") if value is None else value for value in class_iou(row.record).values()]


def _sets(
    names: Sequence[str], seen: NDArray[np.bool_], values: NDArray[np.float64]
) -> list[tuple[str, list[_Line]]]:
    found = []
    for title, member in (("unseen classes", ~seen), ("seen classes", seen)):
        places = [int(k) for k in np.flatnonzero(member) if not np.isnan(values[:, k]).all()]
        order = sorted(places, key=lambda k: (-np.nanmean(values[:, k]), names[k]))
        lines = [_Line(shown(names[k], 22), k) for k in order]
        if len(lines) > MOST:
            gap = _Line(f"… {len(lines) - 2 * ENDS:,} more …", None)
            lines = [*lines[:ENDS], gap, *lines[-ENDS:]]
        found.append((f"{title} ({len(order):,})", lines))
    return found


def _panel(
    axes: Axes, title: str, lines: Sequence[_Line], values: NDArray[np.float64], rows: Sequence[Row]
) -> None:
    heights = np.arange(len(lines))[::-1]
    for height, line in zip(heights, lines, strict=True):
        if line.place is not None:
            column = values[:, line.place]
            axes.plot(
                [np.nanmin(column), np.nanmax(column)], [height, height], color=PALE, linewidth=0.8, zorder=1
            )
    for row, own in zip(rows, values, strict=True):
        look = look_of(row.method, row.family, row.colour)
        there = [
            (own[line.place], h) for line, h in zip(lines, heights, strict=True) if line.place is not None
        ]
        xs, ys = zip(*there, strict=True)
        axes.plot(
            xs,
            ys,
            look.marker,
            color=look.colour,
            markersize=3.2,
            markerfacecolor=look.colour if row.ranked else "white",
            markeredgewidth=0.7,
            clip_on=False,
            zorder=3,
        )
    axes.set_yticks(heights, [line.text for line in lines])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlim(0, min(100.0, 10 * np.ceil((np.nanmax(values) + 3) / 10)))
    axes.grid(True)
    axes.spines["left"].set_visible(False)
    head(axes, title)


def _mark(row: Row) -> Line2D:
    look = look_of(row.method, row.family, row.colour)
    fill = look.colour if row.ranked else "white"
    return Line2D(
        [], [], linestyle="", marker=look.marker, color=look.colour, markerfacecolor=fill, markersize=4
    )


def _caption(row: Row, shown_rows: int, left_out: Sequence[Row], cut: bool) -> str:
    place = row.provenance
    parts = [
        f"IoU of each class on {row.dataset} ({place.coverage}, protocol {place.protocol} {place.fingerprint})."
    ]
    if shown_rows > 1:
        parts.append("Sorted by the mean over the methods shown; grey: from the lowest to the highest.")
    if cut:
        parts.append(f"Of more than {MOST} classes the {ENDS} best and the {ENDS} worst.")
    if not row.ranked:
        parts.append("Hollow: random weights or a supervised reference.")
    if left_out:
        parts.append(f"Not shown: {listed([each.label for each in left_out])}.")
    return " ".join(parts)


def _alt(names: Sequence[str], values: NDArray[np.float64], rows: Sequence[Row]) -> str:
    each = []
    for row, own in zip(rows, values, strict=True):
        there = np.flatnonzero(~np.isnan(own))
        if len(there):
            best, worst = there[np.argmax(own[there])], there[np.argmin(own[there])]
            each.append(
                f"{row.label} best {names[best]} {own[best]:.1f} %, worst {names[worst]} {own[worst]:.1f} %"
            )
    return f"IoU of each class: {'; '.join(each)}."
