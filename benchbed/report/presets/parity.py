"""What was measured beside what was published: same method, dataset and metric, with the difference and why it may differ."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from benchbed.report.figure_names import FIGURES, PERCENT
from benchbed.report.figures import Figure
from benchbed.report.footnotes import Footnotes, in_reading_order, of_row
from benchbed.report.published import Published
from benchbed.report.rows import About, Row
from benchbed.report.same_variant import same_variant
from benchbed.report.table import Cell, Table, number, text

METRICS: Final = ("seen_miou", "unseen_miou", "hiou", "miou", "params", "trainable")
COLUMNS: Final = (
    "variant",
    "dataset",
    "metric",
    "published",
    "measured",
    "measured - published",
    "inside the interval",
    "published for",
)
NOTES: Final = (
    "†: published elsewhere, quoted with its source; a difference tells of reproduction only where training, weights and "
    "protocol agree",
    "~: derived: measured minus published, the interval of the measured number carried over",
)


def parity_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """One table of all pairs, none where no variant that was measured has published numbers."""
    footnotes = Footnotes()
    sizes = {row.label: row for row in reversed(rows) if not _embedded(row)}  # the first row of each variant
    ours: dict[str, list[Published]] = defaultdict(list)
    for entry in published:
        if entry.ours:
            ours[entry.ours].append(entry)
    cells = tuple(
        pair
        for row in rows
        for entry in ours.get(row.method, ())
        if _fits(row, entry, row is sizes.get(row.label))
        for pair in _pair(row, entry, footnotes)
    )
    if not cells:
        return ()
    table = Table("Measured against published", COLUMNS, cells, NOTES, footnotes.texts, name="parity")
    return (in_reading_order(table),)


def _embedded(row: Row) -> bool:
    return row.record is None or bool(row.record.dataset.get("embedded"))


def _fits(row: Row, entry: Published, sized: bool) -> bool:
    """Accuracy needs the same dataset and counts; a number of parameters is of the variant, whatever the data."""
    if entry.metric not in METRICS or math.isnan(entry.value):
        return False
    if row.record is None or not same_variant(row.label, entry):
        return False
    if FIGURES[entry.metric].unit != PERCENT:
        return sized
    return entry.dataset == row.dataset and row.record.counts is not None


def _pair(row: Row, entry: Published, footnotes: Footnotes) -> Iterator[tuple[Cell, ...]]:
    figure = row.figure(entry.metric, entry.rule or None)
    if figure is not None and math.isfinite(figure.value):
        yield _cells(row, entry, figure, footnotes)


def _cells(row: Row, entry: Published, figure: Figure, footnotes: Footnotes) -> tuple[Cell, ...]:
    spec = FIGURES[entry.metric]
    accuracy = spec.unit == PERCENT
    abouts: tuple[About, ...] = ("all", "accuracy") if accuracy else ("all",)
    low, high = figure.low, figure.high
    difference = Figure(
        figure.value - entry.value, low - entry.value, high - entry.value, figure.unit, "derived"
    )
    said = Figure(entry.value, math.nan, math.nan, figure.unit, "published")
    record = row.provenance.record
    return (
        Cell(row.label, marks=footnotes.marks(of_row(row, abouts))),
        text(row.dataset),
        text(f"{spec.heading} {spec.unit}".strip() + (f", rule {entry.rule}" if entry.rule else "")),
        number(said, spec.digits, marks=footnotes.marks([entry.source])),
        number(figure, spec.digits, record=record, doubtful=accuracy and row.random),
        number(difference, spec.digits, record=record, doubtful=accuracy and row.random),
        text("" if math.isnan(low) else "yes" if low <= entry.value <= high else "no"),
        text(_what(entry)),
    )


def _what(entry: Published) -> str:
    setting = {"zs3": "seen and unseen apart", "all classes": "all classes"}.get(entry.setting, entry.dataset)
    parts = (entry.method, entry.backbone, entry.clip and f"CLIP {entry.clip}", entry.train_set, setting)
    return ", ".join(part for part in parts if part)
