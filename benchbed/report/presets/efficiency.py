"""What each method costs, one section for each dataset, protocol and machine: nothing else is comparable in time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchbed.protocol import differences
from benchbed.records import Record
from benchbed.report.block_table import KIND_NOTES
from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import slowdown_figure
from benchbed.report.footnotes import Footnotes, common, in_reading_order, key, of_row
from benchbed.report.published import Published
from benchbed.report.ranking import ranks
from benchbed.report.rows import About, Row
from benchbed.report.table import Cell, Rank, Table, absent, number, unique

FIRST: Final = ("params", "trainable", "gflops", "gmac", "text_gflops", "latency", "throughput")
LAST: Final = ("memory", "weights_memory")
SPEED_UP: Final = "speed-up x"
ABOUT: Final[tuple[About, ...]] = ("all", "speed")
NOTES: Final = (
    "GFLOPs: 1 multiply-add = 2 FLOPs: convolutions, matrix products and attention of one image, without text and label map",
    f"{SPEED_UP}: times the slowest method of the same run, between interleaved rounds; none across runs",
    "bold: best, underlined: second, within one section",
)
Group = list[Row]


def efficiency_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """One table of every measured row with any cost; published speeds name no machine and are left out."""
    groups: dict[tuple[str, ...], Group] = defaultdict(list)
    for row in rows:
        if row.record is not None and row.record.cost:
            groups[row.speed_group].append(row)
    if not groups:
        return ()
    ordered = sorted(groups.values(), key=lambda group: (group[0].dataset, -len(group), group[0].speed_group))
    return (_table(ordered),)


def _table(groups: Sequence[Group]) -> Table:
    every = [row for group in groups for row in group]
    footnotes, shared = Footnotes(), common(every, ABOUT)
    places = [sum(map(len, groups[:i])) for i in range(len(groups))]
    cells = tuple(row for group in groups for row in _rows(group, footnotes, shared))
    marks = [footnotes.marks(_apart(group, groups[:i])) for i, group in enumerate(groups)]
    headings = [f"{FIGURES[name].heading} {FIGURES[name].unit}".strip() for name in (*FIRST, *LAST)]
    table = Table(
        "Cost",
        ("method", *headings[: len(FIRST)], SPEED_UP, *headings[len(FIRST) :]),
        cells,
        unique(
            [
                *shared.values(),
                *NOTES,
                f"interval of latency: {FIGURES['latency'].interval}",
                KIND_NOTES["derived"],
            ]
        ),
        footnotes.texts,
        sections=tuple((place, _heading(group[0])) for place, group in zip(places, groups, strict=True)),
        section_marks=tuple((place, mark) for place, mark in zip(places, marks, strict=True) if mark),
        name="efficiency",
    )
    return in_reading_order(table)


def _heading(row: Row) -> str:
    record = _record(row)
    sizes = record.protocol["input"]
    return (
        f"{row.dataset}, protocol {row.provenance.protocol}, {record.protocol['precision']}, "
        f"batch 1, input {sizes}; {row.provenance.processor}"
    )


def _record(row: Row) -> Record:
    assert row.record is not None
    return row.record


def _apart(group: Group, before: Sequence[Group]) -> Iterator[str]:
    """For each earlier section of the dataset, what differs."""
    for other in before:
        if other[0].dataset == group[0].dataset:
            yield f"never ranked with “{_heading(other[0])}”: {_why(group[0], other[0])}"


def _why(row: Row, other: Row) -> str:
    fields = differences(_record(row).protocol, _record(other).protocol)
    pairs = {
        "images": (row.provenance.coverage, other.provenance.coverage),
        "processor": (row.provenance.processor, other.provenance.processor),
        "machine": (row.provenance.machine, other.provenance.machine),
    }
    return "; ".join([*fields, *[f"{name}: {a} / {b}" for name, (a, b) in pairs.items() if a != b]])


def _rows(group: Group, footnotes: Footnotes, shared: Mapping[str, str]) -> Iterator[tuple[Cell, ...]]:
    best = {name: ranks(group, name) for name in (*FIRST, *LAST)}
    slowest = _slowest(group)
    often = Counter(row.label for row in group)
    for row in sorted(group, key=lambda row: (row.label, row.provenance.created, row.key)):
        sentences = [each for each in of_row(row, ABOUT) if key(each) not in shared]
        label = f"{row.label} #{row.key[:6]}" if often[row.label] > 1 else row.label
        first = [_cell(row, name, best[name].get(row.key, "")) for name in FIRST]
        last = [_cell(row, name, best[name].get(row.key, "")) for name in LAST]
        yield Cell(label, marks=footnotes.marks(sentences)), *first, _speed_up(row, slowest), *last


def _cell(row: Row, name: str, rank: Rank) -> Cell:
    return number(row.figures.get(name), FIGURES[name].digits, rank=rank, record=row.provenance.record)


def _slowest(group: Group) -> dict[str, Record]:
    """Run -> its slowest record, of runs in which several were timed."""
    runs: dict[str, list[Row]] = defaultdict(list)
    for row in group:
        if "latency" in row.figures:
            runs[_run(_record(row))].append(row)
    return {
        run: _record(max(rows, key=lambda row: row.figures["latency"].value))
        for run, rows in runs.items()
        if len(rows) > 1
    }


def _run(record: Record) -> str:
    return str((record.cost.get("latency") or {}).get("run_id", ""))


def _speed_up(row: Row, slowest: dict[str, Record]) -> Cell:
    record = _record(row)
    reference = slowest.get(_run(record))
    if reference is None:
        return absent()
    if reference.id == record.id:
        return Cell("1", "derived", record=record.id)
    return number(slowdown_figure(reference, record), 2, record=record.id)
