"""mIoU over all classes of many datasets by one set of weights; PASCAL Context 459 under both published rules.

The two rules: detectron2 v0.6 averaged over classes with any pixels, labelled or predicted (`union`); since July 2022 its
source averages over classes with labelled pixels alone (`ground-truth-only`). SAN's log gives 12.6 and 16.7 for one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchbed.metrics import AbsentRule
from benchbed.report.block_table import block_table
from benchbed.report.blocks import Block, Column
from benchbed.report.lines import Line, Section, make_lines, measured_sections
from benchbed.report.presets.titles import PUBLISHED_HEADING, SHORT, in_order, rule_notes
from benchbed.report.published import Published
from benchbed.report.published_rows import published_rows
from benchbed.report.rows import Row, under
from benchbed.report.table import Table

TWO_RULES: Final = "pascal-context-459"
WEIGHTS: Final = "training, backbone"
BOTH: Final = (
    Column("miou", "union", "mIoU union"),
    Column("miou", "ground-truth-only", "mIoU ground-truth-only"),
)
UNSAID: Final = Column("miou", "", "mIoU rule not said")
_MIOU: Final = frozenset({"miou", *(under("miou", rule) for rule in AbsentRule)})
NOTE: Final = (
    "PC-459: union is the rule of detectron2 v0.6, ground-truth-only that of its source since July 2022; published values "
    "whose source says neither stand apart"
)


def open_vocab_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """Measured rows with the published ones of the same datasets below; other datasets' published rows in a second table."""
    measured = [row for row in rows if row.record is not None and row.record.counts is not None]
    quoted = [row for row in published_rows(published, "all classes") if not _keys(row).isdisjoint(_MIOU)]
    here = in_order({row.dataset for row in measured})
    elsewhere = in_order({row.dataset for row in quoted} - set(here))
    tables = []
    if measured:
        sections = [*measured_sections(measured, weights_of), *_quoted(quoted, here)]
        tables.append(_table("open-vocab", "mIoU over all classes", sections, here, rule_notes(measured)))
    if sections := _quoted(quoted, elsewhere):
        title = "mIoU over all classes, published"
        tables.append(_table("open-vocab-published", title, sections, elsewhere, ()))
    return tuple(tables)


def weights_of(row: Row) -> str:
    """Rows of one line share their weights: what was trained once and used on every dataset."""
    return f"{row.label} {row.provenance.weights_sha256 or row.provenance.weights}"


def _quoted(rows: Sequence[Row], datasets: Sequence[str]) -> list[Section]:
    lines = make_lines([row for row in rows if row.dataset in datasets], weights_of)
    return [Section(PUBLISHED_HEADING, lines)] if lines else []


def _keys(row: Row) -> set[str]:
    return set(row.given)


def _table(
    name: str, title: str, sections: Sequence[Section], datasets: Sequence[str], notes: Sequence[str]
) -> Table:
    lines = [line for section in sections for line in section.lines]
    blocks = [_block(dataset, lines) for dataset in datasets]
    said = [*notes, NOTE] if TWO_RULES in datasets else notes
    return block_table(name, title, sections, blocks, said, {WEIGHTS: _weights})


def _weights(line: Line) -> str:
    row = line.first
    return "random weights" if row.random else row.provenance.weights


def _block(dataset: str, lines: Sequence[Line]) -> Block:
    heading = SHORT.get(dataset, dataset)
    if dataset != TWO_RULES:
        return Block(dataset, heading, (Column("miou"),))
    unsaid = any("miou" in _keys(line.rows[dataset]) for line in lines if dataset in line.rows)
    return Block(dataset, heading, (*BOTH, UNSAID) if unsaid else BOTH)
