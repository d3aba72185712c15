"""A table whose columns are grouped by dataset, made of sections of lines: ranks, footnotes, dashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from benchbed.report.blocks import Block, Column
from benchbed.report.figure_names import PERCENT
from benchbed.report.footnotes import Footnotes, common, in_reading_order, key, of_row
from benchbed.report.lines import Line, Section, why
from benchbed.report.ranking import ranks
from benchbed.report.rows import About, Caveat, Row
from benchbed.report.table import Cell, Rank, Table, absent, number, text, unique

RANK_NOTE: Final = (
    "bold: best, underlined: second, among comparable rows of one protocol and the same images alone; random weights and "
    "supervised references are never ranked; intervals may overlap: benchbed compare tells two methods apart"
)
DOUBT_NOTE: Final = "in brackets: accuracy of random weights, which means nothing"
KIND_NOTES: Final = {
    "derived": "~: derived from measured numbers",
    "published": "†: published elsewhere, quoted with its source, under a protocol of its own: never ranked",
}
_GENERAL: Final[tuple[About, ...]] = ("all", "accuracy")
_SPEED: Final[tuple[About, ...]] = ("speed",)
Words = Callable[[Line], str]
NO_WORDS: Final[Mapping[str, Words]] = MappingProxyType({})


def block_table(
    name: str,
    title: str,
    sections: Sequence[Section],
    blocks: Sequence[Block],
    notes: Iterable[str] = (),
    words: Mapping[str, Words] = NO_WORDS,
) -> Table:
    """Put a table together.

    Args:
        name, title: of the table.
        sections: each starts with its heading; ranks never cross comparability, whatever the sections are.
        blocks: the columns after the label.
        notes: put first below it.
        words: further columns of text after the label: heading -> text of a line.
    """
    maker = _Maker(sections, blocks, words)
    rows = tuple(maker.row(line, place) for place, section in enumerate(sections) for line in section.lines)
    places = [sum(len(section.lines) for section in sections[:i]) for i in range(len(sections))]
    placed = list(zip(places, sections, strict=True))
    table = Table(
        title,
        ("method", *words, *[column.title for block in blocks for column in block.columns]),
        rows,
        unique([*notes, *maker.notes()]),
        spans=(*[("", 1)] * (1 + len(words)), *[(block.heading, len(block.columns)) for block in blocks]),
        sections=tuple((place, section.heading) for place, section in placed),
        section_marks=tuple((p, maker.footnotes.marks(s.apart)) for p, s in placed if s.apart),
        name=name,
    )
    return in_reading_order(replace(table, footnotes=maker.footnotes.texts))


class _Maker:
    """What all rows of one table need to know of each other."""

    def __init__(
        self, sections: Sequence[Section], blocks: Sequence[Block], words: Mapping[str, Words]
    ) -> None:
        self.footnotes, self.blocks, self.words = Footnotes(), blocks, words
        lines = [line for section in sections for line in section.lines]
        self.shown = {block: [row for line in lines if (row := block.row(line))] for block in blocks}
        self.ranks: dict[tuple[Block, Column], dict[str, Rank]] = {
            (block, column): ranks(self.shown[block], column.name, column.rule)
            for block in blocks
            for column in block.columns
        }
        abouts = tuple({about: None for block in blocks for about in block.abouts()})
        measured = [row for rows in self.shown.values() for row in rows if row.kind == "measured"]
        self.common = common(measured, abouts)
        self.usual = {(i, block): _usual(each, block) for i, each in enumerate(sections) for block in blocks}

    def notes(self) -> list[str]:
        """Below the whole table: caveats of all rows, how intervals are made, what the signs mean."""
        shown = [
            (column, row, figure)
            for block, rows in self.shown.items()
            for row in rows
            for column in block.columns
            if (figure := row.figure(column.name, column.rule))
        ]
        found = [*self.common.values(), *_intervals([column for column, row, _ in shown if row.record])]
        if any(self.ranks.values()):
            found.append(RANK_NOTE)
        if any(row.random and column.spec.unit == PERCENT for column, row, _ in shown):
            found.append(DOUBT_NOTE)
        kinds = {figure.kind for _, _, figure in shown}
        return [*found, *[note for kind, note in KIND_NOTES.items() if kind in kinds]]

    def row(self, line: Line, section: int) -> tuple[Cell, ...]:
        """The cells of a line of the section with this place; what all its datasets share is said at the label."""
        filled = [row for block in self.blocks if (row := block.row(line))]
        said = [[key(each) for each in of_row(row, _GENERAL)] for row in filled]
        shared = {name for name in said[0] if all(name in other for other in said)}
        own = [each for each in of_row(filled[0], _GENERAL) if key(each) in shared - set(self.common)]
        label = Cell(line.label, marks=self.footnotes.marks([*own, *line.also]))
        words = [text(say(line)) for say in self.words.values()]
        already = shared | set(self.common)
        cells = [cell for block in self.blocks for cell in self._block(line, block, section, already)]
        return (label, *words, *cells)

    def _block(self, line: Line, block: Block, section: int, already: set[str]) -> list[Cell]:
        row = block.row(line)
        if row is None:
            return [absent() for _ in block.columns]
        general = [each for each in of_row(row, _GENERAL) if key(each) not in already]
        first: list[Caveat | str] = [*general, *_apart(row, block, self.usual[section, block])]
        speed = [each for each in of_row(row, _SPEED) if key(each) not in self.common]
        cells = []
        for column in block.columns:
            cell = self._cell(row, block, column)
            if cell.kind != "absent":
                sentences = [*first, *(speed if column.spec.speed else [])]
                cell, first = replace(cell, marks=self.footnotes.marks(sentences)), []
            cells.append(cell)
        return cells

    def _cell(self, row: Row, block: Block, column: Column) -> Cell:
        return number(
            row.figure(column.name, column.rule),
            column.spec.digits,
            rank=self.ranks[block, column].get(row.key, ""),
            record=row.provenance.record,
            doubtful=row.random and column.spec.unit == PERCENT,
        )


def _intervals(columns: Iterable[Column]) -> list[str]:
    ways: dict[str, list[str]] = {}
    for column in columns:
        if column.spec.interval:
            ways.setdefault(column.spec.interval, []).append(column.words)
    return [f"interval of {', '.join(dict.fromkeys(names))}: {way}" for way, names in ways.items()]


def _usual(section: Section, block: Block) -> Row | None:
    """A row of the group that most of a section's measured rows on a dataset are of; None where there are none."""
    rows = [row for line in section.lines if (row := block.row(line)) and row.record]
    groups = Counter(row.group for row in rows)
    if not rows or not block.dataset:
        return None
    most = groups.most_common(1)[0][0]
    return next(row for row in rows if row.group == most)


def _apart(row: Row, block: Block, usual: Row | None) -> list[str]:
    """Why a row may not be ranked with most of its section's on this dataset; empty where it may."""
    if usual is None or row.record is None or row.group == usual.group:
        return []
    return [f"never ranked with {usual.label} #{usual.key[:6]} on {block.dataset}: {why(row, usual)}"]
