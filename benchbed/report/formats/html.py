"""A table as HTML: a fragment to put anywhere, or a file that opens by itself. Needs no network and runs no script."""

from __future__ import annotations

from html import escape
from typing import Final

from benchbed.report.layout import Heading, is_words, lines, numbers
from benchbed.report.table import Cell, Table

STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th.span { text-align: center; border-bottom: 1px solid; }
.words { text-align: left; white-space: normal; }
thead tr:first-child > * { border-top: 2px solid; }
thead tr:last-child > * { border-bottom: 1px solid; vertical-align: bottom; }
table { border-bottom: 2px solid; }
tr.section th { text-align: left; font-weight: 500; font-style: italic; border-top: 1px solid; padding-top: .5rem; }
.best { font-weight: 700; } .second { text-decoration: underline; }
.derived { font-style: italic; } .published { color: #8a2f8f; } .doubtful, .absent { color: #767676; }
@media (prefers-color-scheme: dark) { .published { color: #e4a0e8; } .doubtful, .absent { color: #9a9a9a; } }
.notes { font-size: .85rem; max-width: 75rem; } .notes ol, .notes ul { margin: .4rem 0; padding-left: 1.4rem; }
"""


def html_document(table: Table) -> str:
    """A whole page with one table."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{html_table(table)}</body>\n</html>\n"
    )


def html_table(table: Table) -> str:
    """A fragment: `<table>` and its notes; cells say in classes what they are and in `data-record` where they come from."""
    words = [is_words(table, place) for place in range(len(table.columns))]
    bodies: list[str] = []
    for line in lines(table):
        if isinstance(line, Heading) and bodies:
            bodies.append("</tbody>\n<tbody>")
        bodies.append(_line(line, words))
    return (
        f"<table>\n<caption>{escape(table.title)}</caption>\n<thead>\n{_head(table, words)}\n</thead>\n"
        f"<tbody>\n{chr(10).join(bodies)}\n</tbody>\n</table>\n{_notes(table)}"
    )


def _head(table: Table, words: list[bool]) -> str:
    own = "".join(
        f'<th scope="col"{_class("words" if word else "")}>{escape(column)}</th>'
        for column, word in zip(table.columns, words, strict=True)
    )
    if not any(heading for heading, _ in table.spans):
        return f"<tr>{own}</tr>"
    above = "".join(
        f'<th scope="colgroup" colspan="{count}" class="span">{escape(heading)}</th>'
        if heading
        else f'<td colspan="{count}"></td>'
        for heading, count in table.spans
    )
    return f"<tr>{above}</tr>\n<tr>{own}</tr>"


def _line(line: Heading | tuple[Cell, ...], words: list[bool]) -> str:
    if isinstance(line, Heading):
        return f'<tr class="section"><th colspan="{len(words)}">{escape(line.text)}{_marks(line.marks)}</th></tr>'
    label, *cells = line
    rest = "".join(_cell(cell, word) for cell, word in zip(cells, words[1:], strict=True))
    return f'<tr><th scope="row" class="words">{escape(label.text)}{_marks(label.marks)}</th>{rest}</tr>'


def _cell(cell: Cell, word: bool) -> str:
    names = [
        "words" if word else "",
        cell.kind if cell.kind != "text" else "",
        cell.rank,
        "doubtful" if cell.doubtful else "",
    ]
    record = f' data-record="{escape(cell.record)}"' if cell.record else ""
    return f"<td{_class(' '.join(filter(None, names)))}{record}>{escape(cell.text)}{_marks(cell.marks)}</td>"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _marks(marks: tuple[int, ...]) -> str:
    return f"<sup>{numbers(marks)}</sup>" if marks else ""


def _notes(table: Table) -> str:
    if not table.notes and not table.footnotes:
        return ""
    footnotes = "".join(f"<li>{escape(note)}</li>" for note in table.footnotes)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    listed = (f"<ol>{footnotes}</ol>" if footnotes else "") + (f"<ul>{notes}</ul>" if notes else "")
    return f'<div class="notes">{listed}</div>\n'
