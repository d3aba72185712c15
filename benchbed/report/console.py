"""Tables on a terminal, or as plain text where stdout is a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchbed.report.layout import Heading, is_words, lines, whole_headings
from benchbed.report.table import Cell, Table

STYLES: Final = {
    "text": "",
    "measured": "bold",
    "derived": "italic cyan",
    "published": "magenta",
    "absent": "dim",
}
RANKS: Final = {"": "", "best": " reverse", "second": " underline"}
LEAST_WIDTH: Final = 32
PIPE_WIDTH: Final = 200  # wide enough that no cell of ours breaks where nobody set a width
_SUPERSCRIPT: Final = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹ ")


def print_tables(tables: Iterable[Table], console: Console | None = None) -> None:
    """Print tables to stdout, each with its notes below."""
    console = console or Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for table in tables:
        console.print(_rich(table))
        for place, note in enumerate(table.footnotes, 1):
            console.print(Text(f"  {_raised((place - 1,))} {note}"), soft_wrap=True)
        for note in table.notes:
            console.print(Text(f"  * {note}"), soft_wrap=True)
        console.print()


def _rich(table: Table) -> RichTable:
    rich = RichTable(
        title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for index, heading in enumerate(whole_headings(table, "\n")):
        widest = _widest(table) if table.sections and index == 0 else None
        rich.add_column(
            Text(heading),
            justify="left" if is_words(table, index) else "right",
            overflow="fold",
            max_width=widest,
        )
    for line in lines(table):
        if isinstance(line, Heading):
            rich.add_section()
            rich.add_row(Text(f"{line.text}{_raised(line.marks)}", style="italic"))
        else:
            rich.add_row(*[_text(cell) for cell in line])
    return rich


def _widest(table: Table) -> int:
    """Of the first column's own cells: headings of sections, which stand in it too, are folded to that."""
    return max(LEAST_WIDTH, *[len(row[0].text) + 2 * len(row[0].marks) for row in table.rows])


def _text(cell: Cell) -> Text:
    style = "dim" if cell.doubtful else STYLES[cell.kind] + RANKS[cell.rank]
    return Text(f"{cell.text}{_raised(cell.marks)}", style=style.strip())


def _raised(marks: tuple[int, ...]) -> str:
    """Footnotes as small numbers, counted from 1."""
    return ",".join(str(mark + 1) for mark in marks).translate(_SUPERSCRIPT)
