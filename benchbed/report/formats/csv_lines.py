"""A table as CSV, one line a number: nothing is rounded away, and every number says what it is and where it comes from."""

from __future__ import annotations

import csv
import io
import math
from typing import Final

from benchbed.report.layout import Heading, lines, whole_headings
from benchbed.report.table import Cell, Table

COLUMNS: Final = (
    "table",
    "section",
    "row",
    "column",
    "value",
    "low",
    "high",
    "unit",
    "kind",
    "rank",
    "means nothing",
    "record",
    "text",
    "footnotes",
)
_DIGITS: Final = 10  # what all machines agree on: sums of floats may differ in their last bits
_FORMULA: Final = ("=", "+", "@", "\t", "\r")  # what a spreadsheet would run


def csv_text(table: Table) -> str:
    """The table with a header; words stand in `text` alone, empty cells are left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    headings, section = whole_headings(table), ""
    for line in lines(table):
        if isinstance(line, Heading):
            section = line.text
            continue
        label, *cells = line
        for heading, cell in zip(headings[1:], cells, strict=True):
            if cell.text:
                footnotes = [table.footnotes[mark] for mark in (*label.marks, *cell.marks)]
                where = [safe(part) for part in (table.name or table.title, section, label.text, heading)]
                writer.writerow([*where, *_values(cell), safe("; ".join(footnotes))])
    return stream.getvalue()


def _values(cell: Cell) -> list[str]:
    figure = cell.figure
    numbers = (figure.value, figure.low, figure.high) if figure else (math.nan,) * 3
    return [
        *[_number(number) for number in numbers],
        figure.unit if figure else "",
        cell.kind,
        cell.rank,
        "yes" if cell.doubtful else "",
        cell.record,
        safe(cell.text),
    ]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{_DIGITS}g}"


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
