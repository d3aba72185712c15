"""IoU of each class, methods side by side; one table for each group of comparable rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from benchbed.report.footnotes import common, key, of_row
from benchbed.report.published import Published
from benchbed.report.rows import About, Row
from benchbed.report.summary import class_iou
from benchbed.report.table import Cell, Table, absent, shown_value, text

ABOUT: Final[tuple[About, ...]] = ("all", "accuracy")
MOST: Final = 12  # methods side by side; more go into a further table


def class_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """Per class tables, seen classes first; rows whose dataset, images or protocol differ never share one."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.record is not None and row.record.counts is not None:
            groups[row.group].append(row)
    parts = [group[i : i + MOST] for _, group in sorted(groups.items()) for i in range(0, len(group), MOST)]
    return tuple(_table(part, place) for place, part in enumerate(parts, 1))


def _table(group: Sequence[Row], place: int) -> Table:
    first = group[0]
    assert first.record is not None
    shared = common(group, ABOUT)
    found = [class_iou(row.record) for row in group if row.record is not None]
    seen = dict(zip(first.record.dataset["names"], first.record.dataset["seen"], strict=True))
    ordered = sorted(seen, key=lambda name: not seen[name])  # stable: the dataset's order within each set
    often = Counter(row.label for row in group)
    labels = tuple(f"{row.label} #{row.key[:6]}" if often[row.label] > 1 else row.label for row in group)
    marked = [[each for each in of_row(row, ABOUT) if key(each) not in shared] for row in group]
    notes = [f"{label}: {sentence}" for label, each in zip(labels, marked, strict=True) for sentence in each]
    unseen = sum(not flag for flag in seen.values())
    sections = ((0, "seen classes"), (len(seen) - unseen, "unseen classes")) if 0 < unseen < len(seen) else ()
    rows = tuple(
        (text(name), *[_cell(iou[name], row) for iou, row in zip(found, group, strict=True)])
        for name in ordered
    )
    provenance = first.provenance
    return Table(
        f"IoU % of each class: {first.dataset}, {provenance.coverage}, protocol {provenance.protocol} {provenance.fingerprint}",
        ("class", *labels),
        rows,
        (*shared.values(), *notes),
        sections=sections,
        name=f"classes-{place}",
    )


def _cell(value: float | None, row: Row) -> Cell:
    if value is None:
        return absent()
    return Cell(shown_value(value, 1), "measured", record=row.provenance.record, doubtful=row.random)
