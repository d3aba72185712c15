"""Footnotes of one table: each sentence once, numbered in the order in which a reader meets them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchbed.report.rows import About, Caveat, Row
from benchbed.report.sentences import pattern, ranged
from benchbed.report.table import Table


class Footnotes:
    """Collects sentences while a table is built; `marks` gives the places to refer to, counted from 0."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._said: list[list[str]] = []

    def marks(self, caveats: Iterable[Caveat | str]) -> tuple[int, ...]:
        """The places of sentences, ascending, each once; caveats that vary in their numbers alone share one."""
        return tuple(sorted({self._mark(key(caveat), str(caveat)) for caveat in caveats}))

    def _mark(self, name: str, sentence: str) -> int:
        place = self._places.setdefault(name, len(self._places))
        if place == len(self._said):
            self._said.append([])
        self._said[place].append(sentence)
        return place

    @property
    def texts(self) -> tuple[str, ...]:
        """All sentences, in the order of their places."""
        return tuple(said[0] if len(set(said)) == 1 else ranged(said) for said in self._said)


def key(caveat: Caveat | str) -> str:
    """What caveats share that are said once."""
    return pattern(caveat.text) if isinstance(caveat, Caveat) and caveat.varies else str(caveat)


def of_row(row: Row, about: Sequence[About]) -> list[Caveat]:
    """What must be said of the row where figures of these sorts are shown."""
    return [caveat for caveat in row.caveats if caveat.about in about]


def common(rows: Sequence[Row], about: Sequence[About]) -> dict[str, str]:
    """Caveats that all of the rows share, by key: said once below the table. In the first row's order.

    Those that are said at each row are left out.
    """
    if not rows:
        return {}
    said = [{key(caveat): caveat.text for caveat in of_row(row, about) if not caveat.at_row} for row in rows]
    shared = set(said[0]).intersection(*said[1:])
    texts = {name: [each[name] for each in said] for name in said[0] if name in shared}
    return {name: each[0] if len(set(each)) == 1 else ranged(each) for name, each in texts.items()}


def in_reading_order(table: Table) -> Table:
    """The table with its footnotes renumbered as a reader meets them, from the first section's heading on."""
    marks = dict(table.section_marks)
    met: list[int] = []
    for place, row in enumerate(table.rows):
        met += [*marks.get(place, ()), *[mark for cell in row for mark in cell.marks]]
    order = list(dict.fromkeys([*met, *range(len(table.footnotes))]))
    places = {old: new for new, old in enumerate(order)}

    def moved(old: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(places[mark] for mark in old))

    return replace(
        table,
        rows=tuple(tuple(replace(cell, marks=moved(cell.marks)) for cell in row) for row in table.rows),
        section_marks=tuple((place, moved(own)) for place, own in table.section_marks),
        footnotes=tuple(table.footnotes[old] for old in order),
    )
