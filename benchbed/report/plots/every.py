"""All plots of a report: group by group, each on one machine; nothing where there is nothing to draw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchbed.progress import Reporter
from benchbed.report.picture_file import write_picture
from benchbed.report.plots.classes import classes_plot
from benchbed.report.plots.cost_curves import cost_drawings
from benchbed.report.plots.plot import FORMATS, Plot, plot_bytes
from benchbed.report.plots.spread import spread_plot
from benchbed.report.plots.stages import stages_plot
from benchbed.report.plots.tradeoff import tradeoff_plot
from benchbed.report.plots.verdicts import verdict_plots
from benchbed.report.rows import Row

if TYPE_CHECKING:
    from benchbed.report.content import Report

Drawing = Callable[
    [], list[Plot]
]  # made when it is called: a report draws, writes and forgets one after the other
_OF_SPEED: Final[tuple[Callable[[Sequence[Row]], Plot | None], ...]] = (tradeoff_plot, stages_plot)
_OF_ACCURACY: Final[tuple[Callable[[Sequence[Row]], Plot | None], ...]] = (classes_plot, spread_plot)
GROUPS: Final = 4  # 16 plots; of more groups the largest, so that a thousand records are reported in seconds


def make_plots(rows: Iterable[Row]) -> list[Plot]:
    """Trade-off, stages, classes and spread of each group of comparable records; speed only within one machine.

    Of more than 4 groups the 4 with the most records are drawn.
    """
    return [plot for draw in drawings(rows) for plot in draw()]


def drawings(rows: Iterable[Row]) -> list[Drawing]:
    """What `make_plots` draws, not drawn yet."""
    measured = sorted((row for row in rows if row.record is not None), key=lambda row: row.group)
    groups = [list(members) for _, members in groupby(measured, key=lambda row: row.group)]
    groups = sorted(
        sorted(groups, key=lambda members: -len(members))[:GROUPS], key=lambda members: members[0].group
    )
    return [drawing for members in groups for drawing in _of_group(members)]


def _of_group(rows: Sequence[Row]) -> list[Drawing]:
    ordered = sorted(rows, key=lambda row: row.speed_group)
    machines = [list(members) for _, members in groupby(ordered, key=lambda row: row.speed_group)]
    several = len(machines) > 1
    of_speed = [
        partial(_drawn, draw, _latest(members), members[0] if several else None)
        for members in machines
        for draw in _OF_SPEED
    ]
    of_accuracy = [
        partial(_drawn, draw, rows if draw is spread_plot else _latest(rows)) for draw in _OF_ACCURACY
    ]
    return [*of_speed, *of_accuracy]


def _drawn(
    draw: Callable[[Sequence[Row]], Plot | None], rows: Sequence[Row], machine_of: Row | None = None
) -> list[Plot]:
    plot = draw(rows)
    if plot is None:
        return []
    return [plot if machine_of is None else _named_for(plot, machine_of)]


def _latest(rows: Sequence[Row]) -> list[Row]:
    """Of the rows of one label the newest: a plot of methods shows each once."""
    newest = {row.label: row for row in sorted(rows, key=lambda row: (row.provenance.created, row.key))}
    return sorted(newest.values(), key=lambda row: row.label)


def _named_for(plot: Plot, row: Row) -> Plot:
    machine = hashlib.sha256(repr(row.speed_group).encode()).hexdigest()[:4]
    return replace(plot, name=f"{plot.name}-{machine}")


def write_plots(report: Report, folder: Path, reporter: Reporter | None = None) -> list[Path]:
    """Write every plot of a report as PDF and PNG, those of its cost records and claims too; returns the paths.

    Raises:
        UsageError: the folder cannot be written.
    """
    every: list[Drawing] = [
        *drawings(report.rows),
        *cost_drawings(report.evidence.costs),
        lambda: verdict_plots(report.verdicts),
    ]
    return [
        write_picture(folder / f"{plot.name}.{kind}", plot_bytes(plot, kind))
        for draw in (reporter or Reporter(quiet=True)).each("plots", every)
        for plot in draw()
        for kind in FORMATS
    ]
