"""A table before it has a format: columns, cells that know where they come from, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchbed.report.figures import Figure

CellKind = Literal["text", "measured", "derived", "published", "absent"]
ABSENT = "-"


@dataclass(frozen=True)
class Cell:
    """What a cell says and what sort of thing that is; formats make the sorts look different."""

    text: str
    kind: CellKind = "text"


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a title above and numbered notes below.

    Attributes:
        title: what it is about, in words.
        columns: headings, units included.
        rows: one tuple of cells a row, as many as columns.
        notes: sentences that a reader needs to not misread a number.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: a row has {len(row)} cells, expected {len(self.columns)}"
                )


def text(value: object) -> Cell:
    """A plain cell."""
    return Cell(str(value))


def absent() -> Cell:
    """A cell for what was not measured."""
    return Cell(ABSENT, "absent")


def number(figure: Figure | None, digits: int = 1) -> Cell:
    """A figure as "value [low, high]"; derived ones carry a leading "~"."""
    if figure is None or figure.value != figure.value:
        return absent()
    sign = "~" if figure.kind == "derived" else ""
    interval = f" [{figure.low:.{digits}f}, {figure.high:.{digits}f}]" if figure.low == figure.low else ""
    return Cell(
        f"{sign}{figure.value:.{digits}f}{interval}", "derived" if figure.kind == "derived" else "measured"
    )


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent."""
    if value == 0:
        return "0"
    from math import floor, log10

    places = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:,.{places}f}"


def unique(notes: Sequence[str]) -> tuple[str, ...]:
    """Each note once, in the order of first mention."""
    return tuple(dict.fromkeys(note for note in notes if note))
