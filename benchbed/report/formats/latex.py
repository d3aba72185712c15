"""A table as LaTeX with booktabs: intervals by plus-minus, best bold, second underlined, footnotes below.

A table that is too wide is shrunk to the line; one that is too long goes on in further floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from benchbed.report.figures import Figure
from benchbed.report.formats.latex_text import latex_text
from benchbed.report.layout import Heading, is_words, lines, numbers
from benchbed.report.table import Cell, Table, shown_value

PACKAGES: Final = ("booktabs", "graphicx", "xcolor")
MOST_ROWS: Final = 40  # of 9 pt fit a page with their notes
PLUS_MINUS: Final = (
    "$\\pm$: half the 95\\,\\% interval; where its ends lie unevenly about the value, both are given as "
    "${}^{+}_{-}$"
)


def latex_table(table: Table) -> str:
    """A float, or several for a long table; its first line says which packages it needs."""
    parts = _parts(table)
    floats = [_float(part, place, place == len(parts) - 1) for place, part in enumerate(parts)]
    return f"% \\usepackage{{{','.join(PACKAGES)}}} and \\usepackage[T1]{{fontenc}}\n" + "\n".join(floats)


def latex_document(tables: Sequence[Table]) -> str:
    """A document that compiles by itself, for proofs."""
    body = "\n\\clearpage\n".join(latex_table(table) for table in tables)
    return (
        "\\documentclass[10pt,a4paper]{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n"
        "\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\n\\usepackage[margin=15mm]{geometry}\n"
        f"\\usepackage{{{','.join(PACKAGES)}}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )


def _parts(table: Table) -> list[Table]:
    """The table in pieces of at most 40 rows; a section that goes on gets its heading again."""
    places = range(0, max(len(table.rows), 1), MOST_ROWS)
    return [_piece(table, start) for start in places]


def _piece(table: Table, start: int) -> Table:
    end = start + MOST_ROWS
    before = [(place, heading) for place, heading in table.sections if place <= start]
    running = [(0, before[-1][1])] if before else []
    inside = [(place - start, heading) for place, heading in table.sections if start < place < end]
    marks = dict(table.section_marks)
    kept = [
        (place - start, marks[place]) for place, _ in table.sections if start < place < end and place in marks
    ]
    first = [(0, marks[before[-1][0]])] if before and before[-1][0] in marks else []
    return replace(
        table, rows=table.rows[start:end], sections=(*running, *inside), section_marks=(*first, *kept)
    )


def _float(table: Table, place: int, last: bool) -> str:
    more = " (continued)" if place else ""
    notes = _notes(table) if last else ""
    return (
        "\\begin{table}[tbp]\n\\centering\n\\small\n"
        f"\\caption{{{latex_text(table.title)}{more}}}\n"
        f"\\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n{_tabular(table)}}}\n"
        f"{notes}\\end{{table}}\n"
    )


def _tabular(table: Table) -> str:
    columns = "".join("l" if is_words(table, place) else "r" for place in range(len(table.columns)))
    body = [
        _line(line, len(table.columns), first) for first, line in zip(_firsts(), lines(table), strict=False)
    ]
    return (
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n{_head(table)}\\midrule\n"
        f"{''.join(body)}\\bottomrule\n\\end{{tabular}}"
    )


def _firsts() -> Sequence[bool]:
    """Whether a line is the first, for as many lines as anything has."""
    return [True] + [False] * (4 * MOST_ROWS)


def _head(table: Table) -> str:
    own = [
        latex_text(column) if is_words(table, place) else f"\\multicolumn{{1}}{{c}}{{{latex_text(column)}}}"
        for place, column in enumerate(table.columns)
    ]
    return f"{_spans(table)}{' & '.join(own)} \\\\\n"


def _spans(table: Table) -> str:
    if not any(heading for heading, _ in table.spans):
        return ""
    cells, rules, place = [], [], 1
    for heading, count in table.spans:
        cells.append(
            f"\\multicolumn{{{count}}}{{c}}{{{latex_text(heading)}}}" if heading else " & " * (count - 1)
        )
        if heading:
            rules.append(f"\\cmidrule(lr){{{place}-{place + count - 1}}}")
        place += count
    return f"{' & '.join(cells)} \\\\\n{''.join(rules)}\n"


def _line(line: Heading | tuple[Cell, ...], columns: int, first: bool) -> str:
    if isinstance(line, Heading):
        rule = "" if first else "\\midrule\n"
        return f"{rule}\\multicolumn{{{columns}}}{{@{{}}l}}{{\\textit{{{latex_text(line.text)}}}{_marks(line.marks)}}} \\\\\n"
    return f"{' & '.join(latex_cell(cell) for cell in line)} \\\\\n"


def latex_cell(cell: Cell) -> str:
    """One cell: a number in mathematics with its interval, or words."""
    shown = latex_text(cell.text) if cell.figure is None else _figure(cell, cell.figure)
    if cell.kind == "absent":
        shown = "--"
    if cell.doubtful:
        shown = f"\\textcolor{{gray}}{{({shown})}}"
    return f"{shown}{_marks(cell.marks)}"


def _figure(cell: Cell, figure: Figure) -> str:
    value = _plain(figure.value, cell.digits)
    emphasis = {"best": f"\\mathbf{{{value}}}", "second": f"\\underline{{{value}}}"}
    sign = "{\\sim}" if cell.kind == "derived" else ""
    dagger = "^{\\dagger}" if cell.kind == "published" else ""
    return f"${sign}{emphasis.get(cell.rank, value)}{dagger}{_interval(figure, cell.digits)}$"


def _interval(figure: Figure, digits: int | None) -> str:
    if math.isnan(figure.low) or math.isnan(figure.high):
        return ""
    down, up = _plain(figure.value - figure.low, digits), _plain(figure.high - figure.value, digits)
    return f" \\pm {up}" if up == down else f"\\,{{}}^{{+{up}}}_{{-{down}}}"


def _plain(value: float, digits: int | None) -> str:
    """A number in mathematics; commas between thousands keep their place."""
    shown = shown_value(value, digits)
    if "e" in shown:
        mantissa, _, exponent = shown.partition("e")
        return f"{mantissa}{{\\times}}10^{{{int(exponent)}}}"
    return shown.replace(",", "{,}").replace("-inf", "-\\infty").replace("inf", "\\infty")


def _marks(marks: tuple[int, ...]) -> str:
    return f"\\textsuperscript{{{numbers(marks)}}}" if marks else ""


def _notes(table: Table) -> str:
    footnotes = [
        f"\\textsuperscript{{{place}}}\\,{latex_text(note)}." for place, note in enumerate(table.footnotes, 1)
    ]
    notes = [f"{latex_text(note)}." for note in table.notes]
    uneven = [f"{PLUS_MINUS}."] if _has_interval(table) else []
    written = " ".join([*footnotes, *notes, *uneven])
    return (
        f"\n\\vspace{{2pt}}\n\\parbox{{\\linewidth}}{{\\raggedright\\scriptsize {written}}}\n"
        if written
        else ""
    )


def _has_interval(table: Table) -> bool:
    return any(cell.figure and not math.isnan(cell.figure.low) for row in table.rows for cell in row)
