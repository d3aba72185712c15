"""Tables on a terminal, or as plain text where stdout is a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchbed.report.table import Cell, Table

STYLES: Final = {
    "text": "",
    "measured": "bold",
    "derived": "italic cyan",
    "published": "magenta",
    "absent": "dim",
}
PIPE_WIDTH: Final = 200  # wide enough that no cell of ours breaks where nobody set a width


def print_tables(tables: Iterable[Table], console: Console | None = None) -> None:
    """Print tables to stdout, each with its notes below."""
    console = console or Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for table in tables:
        console.print(_rich(table))
        for note in table.notes:
            console.print(Text(f"  * {note}"), soft_wrap=True)
        console.print()


def _rich(table: Table) -> RichTable:
    rich = RichTable(
        title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for index, heading in enumerate(table.columns):
        words = all(row[index].kind == "text" for row in table.rows)
        rich.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in table.rows:
        rich.add_row(*[_text(cell) for cell in row])
    return rich


def _text(cell: Cell) -> Text:
    return Text(cell.text, style=STYLES[cell.kind])
