"""The table of zero-shot papers: seen, unseen and harmonic mean by dataset, with what it costs beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchbed.report.block_table import block_table
from benchbed.report.blocks import Block, Column
from benchbed.report.lines import Line, Section, make_lines, measured_sections
from benchbed.report.presets.titles import PUBLISHED_HEADING, dataset_title, in_order, rule_notes
from benchbed.report.published import Published
from benchbed.report.published_rows import published_rows
from benchbed.report.rows import Row
from benchbed.report.table import Table

ACCURACY: Final = (Column("seen_miou"), Column("unseen_miou"), Column("hiou"))
COST: Final = (Column("gflops"), Column("throughput"))
ONCE: Final = Block("", "", (Column("params"),))
# Rows of ablations within a paper are no results of its method.
NO_RESULT: Final = "ablation"


def zs3_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """Measured rows with the published ones of the same datasets below; other datasets' published rows in a second table."""
    measured = [
        row for row in rows if row.record is not None and row.record.counts is not None and _split(row)
    ]
    quoted = [row for row in published_rows(published, "zs3") if NO_RESULT not in row.label]
    here = in_order({row.dataset for row in measured})
    elsewhere = in_order({row.dataset for row in quoted} - set(here))
    tables = []
    if measured:
        sections = [*measured_sections(measured), *_quoted(quoted, here)]
        tables.append(_table("zs3", "Seen, unseen and harmonic mean IoU", sections, here, measured, (ONCE,)))
    if sections := _quoted(quoted, elsewhere):
        title = "Seen, unseen and harmonic mean IoU, published"
        tables.append(_table("zs3-published", title, sections, elsewhere, (), ()))
    return tuple(tables)


def _split(row: Row) -> bool:
    """Whether the dataset has both seen and unseen classes."""
    seen = row.record.dataset["seen"] if row.record else ()
    return any(seen) and not all(seen)


def _table(
    name: str,
    title: str,
    sections: Sequence[Section],
    datasets: Sequence[str],
    measured: Sequence[Row],
    before: tuple[Block, ...],
) -> Table:
    shown = [row for section in sections for line in section.lines for row in line.rows.values()]
    blocks = [*before, *[_block(dataset, rows_of(shown, dataset)) for dataset in datasets]]
    return block_table(name, title, sections, blocks, rule_notes(measured))


def _block(dataset: str, rows: Sequence[Row]) -> Block:
    return Block(dataset, dataset_title(dataset, rows), _columns(rows))


def rows_of(rows: Iterable[Row], dataset: str) -> list[Row]:
    """The rows on one dataset."""
    return [row for row in rows if row.dataset == dataset]


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Accuracy always; of cost what any row has."""
    given = {name for row in rows for name in _names(row)}
    return (*ACCURACY, *[column for column in COST if column.name in given])


def _names(row: Row) -> Iterable[str]:
    """Names of the cost figures that a row has, without making its accuracy."""
    if row.record is None:
        return row.given
    return [
        name for name, part in (("gflops", "flops"), ("throughput", "latency")) if row.record.cost.get(part)
    ]


def _quoted(rows: Sequence[Row], datasets: Sequence[str]) -> list[Section]:
    lines = make_lines([row for row in rows if row.dataset in datasets])
    whole = tuple(line for line in lines if _whole(line))
    return [Section(PUBLISHED_HEADING, whole)] if whole else []


def _whole(line: Line) -> bool:
    """Whether any dataset of the line has all three numbers."""
    return any(all(column.name in row.given for column in ACCURACY) for row in line.rows.values())
