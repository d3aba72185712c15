"""A table before it has a format: columns, cells that know where they come from, notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from benchbed.report.figures import Figure

CellKind = Literal["text", "measured", "derived", "published", "absent"]
Rank = Literal["", "best", "second"]
ABSENT = "-"
DAGGER: Final = "\u2020"
MANY: Final = 1e6  # from here on digits after the point say nothing
HUGE: Final = 1e12  # from here on, and below the other, only an exponent fits a column
TINY: Final = 1e-4


@dataclass(frozen=True)
class Cell:
    """What a cell says and what sort of thing that is; formats make the sorts look different.

    Attributes:
        text: as a terminal shows it, interval, "~" and dagger included.
        kind: what sort of thing it is.
        figure: the number behind it, None for words.
        digits: after the decimal point; None for four significant ones.
        rank: best or second among the comparable rows of its column.
        marks: footnotes, as places in `Table.footnotes` counted from 0.
        record: id of the record that the number comes from, "" for none.
        doubtful: means nothing though it was measured (accuracy of random weights); stands in brackets, grey.
    """

    text: str
    kind: CellKind = "text"
    figure: Figure | None = None
    digits: int | None = None
    rank: Rank = ""
    marks: tuple[int, ...] = ()
    record: str = ""
    doubtful: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a title above and notes below.

    Attributes:
        title: what it is about, in words.
        columns: headings, units included.
        rows: one tuple of cells a row, as many as columns.
        notes: sentences about the whole table, that a reader needs to not misread a number.
        footnotes: sentences that single cells or sections refer to (`Cell.marks`).
        spans: a second line of headings above the columns: heading and how many columns it covers; empty for none.
        sections: place of a row -> heading of the rows from there on, which are comparable among themselves.
        section_marks: place of a section's first row -> its footnotes.
        name: short, for files: "zs3".
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())
    footnotes: tuple[str, ...] = field(default=())
    spans: tuple[tuple[str, int], ...] = field(default=())
    sections: tuple[tuple[int, str], ...] = field(default=())
    section_marks: tuple[tuple[int, tuple[int, ...]], ...] = field(default=())
    name: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: a row has {len(row)} cells, expected {len(self.columns)}"
                )
        if self.spans and sum(count for _, count in self.spans) != len(self.columns):
            raise ValueError(f"table {self.title!r}: spans do not cover its {len(self.columns)} columns")


def text(value: object) -> Cell:
    """A plain cell."""
    return Cell(str(value))


def absent() -> Cell:
    """A cell for what was not measured."""
    return Cell(ABSENT, "absent")


def number(figure: Figure | None, digits: int | None = 1, **more: Any) -> Cell:
    """A figure as "value [low, high]"; derived ones carry a leading "~", published ones a dagger.

    Args:
        figure: None or NaN makes a dash.
        digits: after the decimal point; None for four significant ones.
        more: further fields of the cell: rank, marks, record, doubtful.
    """
    if figure is None or not math.isfinite(figure.value):
        return Cell(ABSENT, "absent", marks=more.get("marks", ()))
    kind: CellKind = "derived" if figure.kind == "derived" else "measured"
    if figure.kind == "published":
        kind = "published"
    sign, dagger = "~" if kind == "derived" else "", DAGGER if kind == "published" else ""
    written = f"{sign}{shown_value(figure.value, digits)}{dagger}{_interval(figure, digits)}"
    if more.get("doubtful"):
        written = f"({written})"
    return Cell(written, kind, figure, digits, **more)


def _interval(figure: Figure, digits: int | None) -> str:
    """ " [low, high]", or nothing where either end does not exist."""
    if math.isnan(figure.low) or math.isnan(figure.high):
        return ""
    return f" [{shown_value(figure.low, digits)}, {shown_value(figure.high, digits)}]"


def shown_value(value: float, digits: int | None) -> str:
    """A number as tables show it: so many digits after the point, None for four significant ones."""
    if not math.isfinite(value):
        return "inf" if value > 0 else "-inf" if value < 0 else "nan"
    if digits is None or abs(value) >= MANY:
        return f"{value:.3g}" if abs(value) >= HUGE or 0 < abs(value) < TINY else significant(value, 4)
    return f"{value:.{digits}f}"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def unique(notes: Sequence[str]) -> tuple[str, ...]:
    """Each note once, in the order of first mention."""
    return tuple(dict.fromkeys(note for note in notes if note))
