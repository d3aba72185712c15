"""Scaling curves of cost records: what `benchbed cost --sweep` measured, with the laws fitted to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import numpy as np

from benchbed.cost.scaling import Law, fit_laws
from benchbed.cost.statistics import median_interval
from benchbed.cost_records import CostRecord, law_samples
from benchbed.report.law_words import law_words
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.scaling import ScalingCurve, ScalingPoint, scaling_plot
from benchbed.report.plots.words import counted

# axis -> what grows, in words, and how many of the law's units make one of the plot's.
AXES: Final = {
    "proposals": ("proposals", 1.0),
    "classes": ("classes", 1.0),
    "size": ("input, megapixels", 1e6),
    "batch": ("batch, images", 1.0),
}
OF: Final = "latency, ms an image"
OF_CALLS: Final = "latency, ms a call"  # over batches: a call is what grows evenly with them


def cost_plots(records: Iterable[CostRecord]) -> list[Plot]:
    """A plot for each axis that each record swept."""
    return [plot for draw in cost_drawings(records) for plot in draw()]


def cost_drawings(records: Iterable[CostRecord]) -> list[Callable[[], list[Plot]]]:
    """What `cost_plots` draws, not drawn yet."""
    return [
        partial(_sweep_plot, record, axis) for record in records for axis in record.sweeps if axis in AXES
    ]


def _sweep_plot(record: CostRecord, axis: str) -> list[Plot]:
    plot = scaling_plot(curves_of(record, axis), _title(record), record.id[:6])
    return [] if plot is None else [plot]


def curves_of(record: CostRecord, axis: str) -> list[ScalingCurve]:
    """Latency over one swept axis, a curve a subject, with its law.

    Args:
        record: with `axis` among its sweeps.
        axis: a key of `AXES`.
    """
    samples = {subject: each for subject, each in law_samples(record, axis).items() if each}
    if not samples:
        return []
    laws = fit_laws(samples)
    words, unit = AXES[axis]
    return [
        ScalingCurve(
            label=subject,
            family=str(record.subjects[subject].get("family", "")),
            over=words,
            of=OF_CALLS if axis == "batch" else OF,
            points=tuple(_point(x / unit, ms) for x, ms in sorted(each.items())),
            law=_drawn(laws[subject], unit),
            words=in_words(laws[subject], unit),
            colour=str(record.subjects[subject].get("colour", "")),
        )
        for subject, each in samples.items()
    ]


def _point(x: float, ms: list[float]) -> ScalingPoint:
    estimate = median_interval(ms)
    return ScalingPoint(x, estimate.value, estimate.low, estimate.high)


def _drawn(law: Law, unit: float) -> tuple[tuple[float, float], ...]:
    """50 points of the law, closer together where x is small."""
    if law.low_x == law.high_x:
        return ((law.low_x / unit, law.at(law.low_x).value),)
    low = max(law.low_x, law.high_x * 1e-3)
    return tuple((float(x) / unit, law.at(float(x)).value) for x in np.geomspace(low, law.high_x, 50))


def in_words(law: Law, unit: float = 1.0) -> str:
    """ "47.1 + 3.02 x ms"."""
    return f"{law_words(law, unit)} ms"


def _title(record: CostRecord) -> str:
    conditions = record.conditions
    height, width = conditions.size
    base = f"{height} x {width}, {conditions.classes} classes"
    threads = counted(int(record.protocol["threads"]), "thread")
    return f"{base}, batch {conditions.batch}, {record.protocol['device']}, {threads}"
