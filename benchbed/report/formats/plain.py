"""A table as plain text: what the terminal shows, without colours, for files and pipes."""

from __future__ import annotations

import io
from typing import Final

from rich.console import Console

from benchbed.report.console import print_tables
from benchbed.report.table import Table

WIDTH: Final = 240


def plain(table: Table) -> str:
    """The table as lines of text, at most 240 characters wide; no line ends in blanks."""
    stream = io.StringIO()
    print_tables([table], Console(file=stream, width=WIDTH, highlight=False, color_system=None, emoji=False))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines()) + "\n"
