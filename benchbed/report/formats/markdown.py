"""A table as GitHub's Markdown: best bold, second underlined, derived italic, footnotes as small numbers."""

from __future__ import annotations

import re
from typing import Final

from benchbed.report.layout import Heading, is_words, lines, numbers, whole_headings
from benchbed.report.table import Cell, Table

# All that Markdown or HTML would take for its own; brackets are left, as no link follows them.
_SPECIAL: Final = re.compile(r"[\\`*_|~]")
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(table: Table) -> str:
    """The table under a heading, with notes as a list and footnotes numbered below."""
    headings = whole_headings(table)
    rule = ["---" if is_words(table, place) else "---:" for place in range(len(headings))]
    body = [_line(line, len(headings)) for line in lines(table)]
    notes = [f"- {escape(note)}" for note in table.notes]
    footnotes = [f"- <sup>{place}</sup> {escape(note)}" for place, note in enumerate(table.footnotes, 1)]
    return (
        "\n".join(
            [
                f"### {escape(table.title)}",
                "",
                _joined([escape(heading) for heading in headings]),
                _joined(rule),
                *body,
                "",
                *footnotes,
                *notes,
            ]
        )
        + "\n"
    )


def escape(text: str) -> str:
    """Text that shows as it is."""
    for sign, written in _HTML.items():
        text = text.replace(sign, written)
    return " ".join(_SPECIAL.sub(r"\\\g<0>", text).split())


def _joined(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(line: Heading | tuple[Cell, ...], columns: int) -> str:
    if isinstance(line, Heading):
        return _joined([f"***{escape(line.text)}***{_marks(line.marks)}", *[""] * (columns - 1)])
    return _joined([_cell(cell) for cell in line])


def _cell(cell: Cell) -> str:
    shown = escape(cell.text)
    if cell.rank == "best":
        shown = f"**{shown}**"
    elif cell.rank == "second":
        shown = f"<ins>{shown}</ins>"
    elif cell.kind == "derived":
        shown = f"*{shown}*"
    return f"{shown}{_marks(cell.marks)}"


def _marks(marks: tuple[int, ...]) -> str:
    return f"<sup>{numbers(marks)}</sup>" if marks else ""
