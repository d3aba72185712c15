"""What all formats share: a table's lines in order, headings in one line, numbers of footnotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchbed.report.table import Cell, Table


@dataclass(frozen=True)
class Heading:
    """Starts a section of rows; `marks` are its footnotes."""

    text: str
    marks: tuple[int, ...]


def lines(table: Table) -> Iterator[Heading | tuple[Cell, ...]]:
    """Headings of sections and rows, in the order in which they are shown."""
    marks = dict(table.section_marks)
    headings = dict(table.sections)
    for place, row in enumerate(table.rows):
        if place in headings:
            yield Heading(headings[place], marks.get(place, ()))
        yield row


def whole_headings(table: Table, between: str = " ") -> tuple[str, ...]:
    """One heading a column: what spans it, then its own."""
    above = [heading for heading, count in table.spans for _ in range(count)] or [""] * len(table.columns)
    return tuple(
        f"{span}{between}{own}" if span else own for span, own in zip(above, table.columns, strict=True)
    )


def numbers(marks: tuple[int, ...]) -> str:
    """Footnotes as readers count them, from 1: "1,3"."""
    return ",".join(str(mark + 1) for mark in marks)


def is_words(table: Table, column: int) -> bool:
    """Whether a column holds words alone, and so stands at the left."""
    return all(row[column].kind == "text" for row in table.rows)
