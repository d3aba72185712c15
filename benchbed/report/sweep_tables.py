"""Along an axis: the measured points, the law through them, and where one method overtakes another."""

from __future__ import annotations

import math

from benchbed.cost.scaling import FAR, Crossing, Law
from benchbed.cost.statistics import Estimate
from benchbed.cost_records import CostRecord
from benchbed.report import cost_record_figures as figures
from benchbed.report.cost_tables import title
from benchbed.report.law_words import law_words
from benchbed.report.table import Cell, Table, absent, number, significant, text

# What a unit of x is in a table's slope, so that it has no leading zeros: a megapixel rather than a pixel.
SLOPE_UNITS = {
    "proposals": (1.0, "proposal"),
    "classes": (1.0, "class"),
    "size": (1e6, "megapixel"),
    "batch": (1.0, "image"),
}
CERTAIN = 0.95  # of the replicates meet


def sweep_tables(record: CostRecord) -> list[Table]:
    """Two tables for each axis that was swept: points, and laws with crossings as notes."""
    tables = []
    for axis in record.sweeps:
        tables += [points_table(record, axis), laws_table(record, axis)]
    return tables


def points_table(record: CostRecord, axis: str) -> Table:
    """Median ms an image at every value."""
    values = [tuple(v) if isinstance(v, list) else v for v in record.sweeps[axis]]
    rows = []
    for key in record.subjects:
        cells = [_point_cell(record, axis, key, value) for value in values]
        if any(cell.kind != "absent" for cell in cells):
            rows.append((text(key), *cells))
    columns = ("method", *[figures.axis_text(axis, value) for value in values])
    notes = (
        "ms a call, median of the rounds [95 % interval]; all values of all methods interleaved in one run",
    )
    return Table(title(f"Sweep over {axis}, ms", record), columns, tuple(rows), notes, name=f"sweep-{axis}")


def _point_cell(record: CostRecord, axis: str, key: str, value: object) -> Cell:
    point = next((p for v, p in record.sweep(axis, key) if v == value), None)
    return number(figures.latency(point)) if point is not None else absent()


def laws_table(record: CostRecord, axis: str) -> Table:
    """The fitted law of each method; the notes say where one overtakes another."""
    found = figures.laws(record, axis)
    unit, word = SLOPE_UNITS[axis]
    rows = tuple(_law_row(key, law, unit) for key, law in found.items())
    columns = ("method", "law", "ms at 0", f"ms a {word}", f"ms a {word} squared", "largest misfit %")
    notes = [
        "fitted to the medians, relative least squares [95 % bootstrap interval over rounds]; a further number stands where "
        "Akaike's criterion with the measured noise is better by more than 2 for it and points left out are predicted better; "
        f"ms {'a call' if axis == 'batch' else 'an image'}",
        *overtaking_notes(axis, record, found),
    ]
    return Table(title(f"Scaling with {axis}", record), columns, rows, tuple(notes), name=f"laws-{axis}")


def _law_row(key: str, law: Law, unit: float) -> tuple[Cell, ...]:
    named = {} if law.kind == "power" else law.terms
    cells = [
        _coefficient(named[name], unit**power) if name in named else absent()
        for power, name in enumerate("abc")
    ]
    return (text(key), text(_form(law, unit)), *cells, Cell(f"{100 * law.misfit:.1f}", "derived"))


def _form(law: Law, unit: float) -> str:
    """Its name, and of a power its numbers, for which there are no columns."""
    if law.points == 1:
        return "one point: does not depend on it"
    numbers = f" {law_words(law, unit)}" if law.kind == "power" else ""
    return f"{law.kind}{numbers}, {law.points} points"


def _coefficient(estimate: Estimate, unit: float) -> Cell:
    low, high = estimate.low * unit, estimate.high * unit
    interval = f" [{_short(low)}, {_short(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return Cell(f"~{_short(estimate.value * unit)}{interval}", "derived")


def _short(value: float) -> str:
    return f"-{significant(-value)}" if value < 0 else significant(value)


def overtaking_notes(axis: str, record: CostRecord, found: dict[str, Law]) -> list[str]:
    """One sentence for each pair of laws that meet, of subjects that are run in the same way."""
    options = {key: record.subjects[key]["options"] for key in found}
    notes = [
        _overtaking(axis, below, above, each)
        for below, above, each in figures.overtakings(found)
        if options[below] == options[above]
    ]
    return notes or [f"no two laws meet within {FAR:.0f} times the measured range: none overtakes another"]


def _overtaking(axis: str, below: str, above: str, crossing: Crossing) -> str:
    x = crossing.x
    low, high = (
        figures.x_words(axis, end).split()[0] if math.isfinite(end) else "-" for end in (x.low, x.high)
    )
    doubt = "" if crossing.share >= CERTAIN else f"; only {crossing.share:.0%} of the replicates meet at all"
    where = "" if crossing.inside else ", outside of what was measured"
    return (
        f"{below} is faster than {above} below {figures.x_words(axis, x.value)} [{low}, {high}]{where}, "
        f"slower above{doubt}"
    )
