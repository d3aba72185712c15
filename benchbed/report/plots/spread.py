"""How sure an accuracy is: the bootstrap over images of every record, and the spread over training seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchbed.report.figure_names import FIGURES
from benchbed.report.picture_file import group_name
from benchbed.report.plots.looks import look_of
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import INK, PALE, headline, new_figure, shown, styled
from benchbed.report.plots.words import listed
from benchbed.report.rows import Row
from benchbed.report.seeds import replicates, siblings, training_of

METHODS: Final = 12
SEEDS: Final = 10  # of one of them
LINE: Final = 0.11  # inches a record
BETWEEN: Final = 0.18  # inches between methods
MIDDLE: Final = (25.0, 75.0)
LEVEL: Final = (2.5, 97.5)


@dataclass(frozen=True)
class Spread:
    """Records of one method and recipe that differ in their weights alone.

    Attributes:
        row: the first.
        label: `method/variant`, with its recipe behind it where the plot has several of that name.
        values: [S] the accuracy of each record, percent.
        replicates: [S, B] its bootstrap replicates, percent.
    """

    row: Row
    label: str
    values: NDArray[np.float64]
    replicates: NDArray[np.float64]

    @property
    def between(self) -> float:
        """Standard deviation over the records; NaN for a single one."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def within(self) -> float:
        """Mean over the records of the bootstrap's standard deviation."""
        return float(np.nanmean(np.nanstd(self.replicates, axis=1, ddof=1)))


def spreads(rows: Sequence[Row], metric: str, most: int = METHODS) -> tuple[list[Spread], list[str]]:
    """One a label and recipe, best first; records of the same weights count once. Only those given are bootstrapped again.

    Args:
        rows: of one group.
        metric: a name of `benchbed.metrics.METRICS`.
        most: how many.

    Returns:
        The spreads, and the labels of those beyond `most`.
    """
    families = siblings(rows)
    often = Counter(members[0].label for members in families)
    found = []
    for members in families:
        values = [(row, _value(row, metric)) for row in members[:SEEDS]]
        if each := [(row, value) for row, value in values if math.isfinite(value)]:
            found.append((float(np.mean([value for _, value in each])), _label(members[0], often), each))
    found.sort(key=lambda entry: -entry[0])
    drawn = [_spread(label, each, metric) for _, label, each in found[:most]]
    return drawn, [label for _, label, _ in found[most:]]


def _label(row: Row, often: Mapping[str, int]) -> str:
    recipe = str(training_of(row).get("recipe", ""))
    return f"{row.label} #{recipe[:6]}" if often[row.label] > 1 and recipe else row.label


def _spread(label: str, each: Sequence[tuple[Row, float]], metric: str) -> Spread:
    draws = np.stack([replicates(row)[metric] for row, _ in each])
    return Spread(each[0][0], label, np.array([value for _, value in each], np.float64), draws)


def _value(row: Row, metric: str) -> float:
    """Percent; NaN where it, or its interval, does not exist."""
    figure = row.figure(metric)
    if figure is None or not math.isfinite(figure.low):
        return math.nan
    return figure.value


def spread_plot(rows: Sequence[Row], metric: str = "hiou") -> Plot | None:
    """A line a record: its accuracy, the middle half and the middle 95 % of its bootstrap; beside it both spreads.

    Args:
        rows: of one group. Random weights only where there are no others.
        metric: hIoU, or another name; where it does not exist, mIoU.

    Returns:
        None where no row has counts of two images or more.
    """
    usable = [row for row in rows if not row.random] or list(rows)
    found, left_out = spreads(usable, metric)
    if not found:
        metric = "miou"
        found, left_out = spreads(usable, metric)
    if not found:
        return None
    texts = tuple(spread.label for spread in found)
    with styled(texts):
        lines = sum(len(spread.values) for spread in found)
        figure, (axes,) = new_figure(0.75 + LINE * lines + BETWEEN * len(found))
        _draw(axes, found)
        axes.set_xlabel(f"{FIGURES[metric].heading}, %")
        place = found[0].row.provenance
        headline(
            figure, f"{found[0].row.dataset}, {place.coverage}, {place.protocol} {place.fingerprint[:8]}"
        )
    name = f"spread-{group_name(found[0].row)}"
    return Plot(name, figure, _caption(found, left_out, metric), _alt(found, metric), texts)


def _draw(axes: Axes, found: Sequence[Spread]) -> None:
    height, ticks = 0.0, []
    for spread in found:
        look = look_of(spread.row.method, spread.row.family, spread.row.colour)
        top = height
        for value, draws in sorted(
            zip(spread.values, spread.replicates, strict=True), key=lambda pair: -pair[0]
        ):
            low, high = np.nanpercentile(draws, LEVEL)
            first, third = np.nanpercentile(draws, MIDDLE)
            axes.plot([low, high], [height, height], color=look.colour, linewidth=0.9, solid_capstyle="butt")
            axes.plot(
                [first, third], [height, height], color=look.colour, linewidth=2.6, solid_capstyle="butt"
            )
            fill = "white" if not spread.row.ranked else look.colour
            axes.plot(
                value, height, look.marker, color=look.colour, markerfacecolor=fill, markersize=3.4, zorder=3
            )
            height -= LINE
        middle = (top + height + LINE) / 2
        if len(spread.values) > 1:
            _mean(axes, spread, top, height + LINE)
        ticks.append((middle, spread))
        height -= BETWEEN
    axes.set_yticks([middle for middle, _ in ticks], [shown(spread.label, 20) for _, spread in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(height + BETWEEN - 0.05, 0.17)
    axes.spines["left"].set_color(PALE)
    axes.grid(True, axis="x")


def _mean(axes: Axes, spread: Spread, top: float, bottom: float) -> None:
    """A grey band one standard deviation to both sides of the mean over seeds."""
    mean, side = float(spread.values.mean()), spread.between
    axes.fill_betweenx(
        [bottom - LINE / 2, top + LINE / 2], mean - side, mean + side, color=PALE, zorder=0.5, linewidth=0
    )
    axes.plot([mean, mean], [bottom - LINE / 2, top + LINE / 2], color=INK, linewidth=0.7, zorder=2)


def _caption(found: Sequence[Spread], left_out: Sequence[str], metric: str) -> str:
    parts = [
        f"{FIGURES[metric].heading} on {found[0].row.dataset}: estimate, middle half (thick) and middle 95 % (thin) of the "
        "bootstrap over images, a line a record."
    ]
    several = [spread for spread in found if len(spread.values) > 1]
    if several:
        each = [
            f"{spread.label} {spread.between:.2f} over {len(spread.values)} weights, {spread.within:.2f} over images"
            for spread in several
        ]
        parts.append(f"Band: mean and standard deviation over weights. In points: {listed(each)}.")
    if not found[0].row.ranked:
        parts.append("Hollow: random weights or a supervised reference.")
    if left_out:
        parts.append(f"Not shown: {listed(left_out)}.")
    return " ".join(parts)


def _alt(found: Sequence[Spread], metric: str) -> str:
    each = "; ".join(
        f"{spread.label} {spread.values.mean():.1f} %, standard error over images {spread.within:.2f}"
        for spread in found
    )
    return f"Spread of {FIGURES[metric].heading}: {each}."
