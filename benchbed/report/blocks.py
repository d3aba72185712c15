"""Columns of a table, grouped by dataset."""

from __future__ import annotations

from dataclasses import dataclass

from benchbed.report.figure_names import FIGURES, PERCENT, FigureName
from benchbed.report.lines import Line
from benchbed.report.rows import About, Row


@dataclass(frozen=True)
class Column:
    """A figure in a block; `rule` for absent classes where it is not the record's own; `heading` replaces the figure's."""

    name: str
    rule: str | None = None
    heading: str = ""

    @property
    def spec(self) -> FigureName:
        """How the figure is shown."""
        return FIGURES[self.name]

    @property
    def words(self) -> str:
        """The heading without its unit."""
        return self.heading or self.spec.heading

    @property
    def title(self) -> str:
        """The heading with its unit."""
        return f"{self.words} {self.spec.unit}".strip()


@dataclass(frozen=True)
class Block:
    """Columns of one dataset below a heading; dataset "" stands for whichever a line has."""

    dataset: str
    heading: str
    columns: tuple[Column, ...]

    def row(self, line: Line) -> Row | None:
        """The line's row that fills this block."""
        return line.rows.get(self.dataset) if self.dataset else line.first

    def abouts(self) -> tuple[About, ...]:
        """Which sorts of caveats its figures need."""
        sorts: dict[About, bool] = {
            "all": True,
            "accuracy": any(column.spec.unit == PERCENT for column in self.columns),
            "speed": any(column.spec.speed for column in self.columns),
        }
        return tuple(sort for sort, needed in sorts.items() if needed)
