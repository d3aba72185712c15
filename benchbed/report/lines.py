"""Lines of a table whose columns are grouped by dataset: a variant's rows on several datasets under one protocol."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchbed.protocol import differences
from benchbed.records import Record
from benchbed.report.rows import Row

# Fields of a protocol that a dataset decides, so that one line may hold records in which they differ.
_OF_DATASET: Final = ("background", "ignored", "input", "fingerprint", "resolved")
_TOLD: Final = 3  # ids named before the rest is only counted


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        label: `method/variant`, with an id behind it where several lines would be called the same.
        rows: dataset -> row; at least one.
        also: sentences about further records that the line stands for.
    """

    label: str
    rows: Mapping[str, Row]
    also: tuple[str, ...] = ()

    @property
    def first(self) -> Row:
        """Any row of it, always the same."""
        return next(iter(self.rows.values()))


@dataclass(frozen=True)
class Section:
    """Lines that may be ranked together, and sentences on why not with those of other sections."""

    heading: str
    lines: tuple[Line, ...]
    apart: tuple[str, ...] = ()


Name = Callable[[Row], str]


def label_of(row: Row) -> str:
    """`method/variant`: rows of a variant trained anew for each dataset belong to one line."""
    return row.label


def measured_sections(rows: Iterable[Row], name: Name = label_of) -> tuple[Section, ...]:
    """Measured rows by protocol: the largest section first; of rows with the same counts only the newest."""
    by_protocol: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.record is not None:
            by_protocol[_signature(row.record)].append(row)
    ordered = sorted(by_protocol.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    groups = [group for _, group in ordered]
    return tuple(
        Section(_heading(group[0]), make_lines(group, name), _apart(group, groups[:place]))
        for place, group in enumerate(groups)
    )


def _signature(record: Record) -> str:
    kept = {name: value for name, value in record.protocol.items() if name not in _OF_DATASET}
    return json.dumps(kept, sort_keys=True, default=str)


def _heading(row: Row) -> str:
    assert row.record is not None
    protocol = row.record.protocol
    unit = "thread" if protocol["threads"] == 1 else "threads"
    where = f"{protocol['threads']} {unit}" if protocol["device"] == "cpu" else protocol["device"]
    return f"protocol {protocol['name']}: {protocol['precision']}, batch {protocol['batch']}, {where}"


def _apart(rows: Sequence[Row], before: Sequence[list[Row]]) -> tuple[str, ...]:
    """For each earlier section, the fields in which its protocol differs."""
    return tuple(
        f"never ranked with the rows of “{_heading(each[0])}”: {_fields(rows, each)}" for each in before
    )


def _fields(rows: Sequence[Row], others: Sequence[Row]) -> str:
    """Taken from two rows on one dataset where there are such: what datasets decide is then the same."""
    pairs = [(row, other) for row in rows for other in others if row.dataset == other.dataset]
    row, other = pairs[0] if pairs else (rows[0], others[0])
    assert row.record is not None
    assert other.record is not None
    fields = differences(row.record.protocol, other.record.protocol)
    return "; ".join(each for each in fields if pairs or not each.startswith(_OF_DATASET))


def why(row: Row, other: Row) -> str:
    """The fields in which two measured rows differ, so that they are not comparable: "threads: 1 / 2"."""
    assert row.record is not None
    assert other.record is not None
    fields = differences(row.record.protocol, other.record.protocol)
    if row.record.dataset["used_identity"] != other.record.dataset["used_identity"]:
        fields.append(f"images: {row.provenance.coverage} / {other.provenance.coverage}")
    return "; ".join(fields)


def make_lines(rows: Sequence[Row], name: Name = label_of) -> tuple[Line, ...]:
    """Rows of one name side by side, as many lines as its fullest dataset needs, oldest papers first.

    Args:
        rows: comparable in all that the dataset does not decide.
        name: what makes rows belong to one line.
    """
    kept, also = _without_repeats(rows)
    slots: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in kept:
        slots[name(row)][row.dataset].append(row)
    ordered = sorted(slots.values(), key=_age)
    return _told_apart([line for each in ordered for line in _lines(each, also)])


def _age(slots: Mapping[str, list[Row]]) -> tuple[int, str]:
    """Published rows keep their order; measured ones follow year and label."""
    first = next(iter(slots.values()))[0]
    return (int(first.record.method["card"].get("year", 0)), first.label) if first.record else (0, "")


def _lines(slots: Mapping[str, list[Row]], also: Mapping[str, str]) -> list[Line]:
    found = []
    for place in range(max(len(rows) for rows in slots.values())):
        rows = {dataset: each[place] for dataset, each in slots.items() if place < len(each)}
        repeats = tuple(also[row.key] for row in rows.values() if row.key in also)
        found.append(Line(next(iter(rows.values())).label, rows, repeats))
    return found


def _told_apart(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Measured lines of one label get the start of a record's id behind it."""
    often = Counter(line.label for line in lines)
    return tuple(
        replace(line, label=f"{line.label} #{line.first.key[:6]}")
        if often[line.label] > 1 and line.first.record
        else line
        for line in lines
    )


def _without_repeats(rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """Rows with the same counts of the same images under the same protocol once, the newest; and what to say of it."""
    same: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        same[_content(row)].append(row)
    kept, also = [], {}
    for group in same.values():
        *others, newest = group
        kept.append(newest)
        if others:
            also[newest.key] = _repeats([row.key for row in others])
    return kept, also


def _content(row: Row) -> object:
    record = row.record
    if record is None or record.counts is None:
        return id(row)
    counts = record.counts
    digest = hashlib.sha256("\n".join(counts.image_ids).encode())
    for part in (counts.intersection, counts.predicted, counts.labelled):
        digest.update(part.tobytes())
    return row.label, record.method["weights"]["sha256"], record.group, digest.hexdigest()


def _repeats(ids: list[str]) -> str:
    more = f" and {len(ids) - _TOLD:,} more" if len(ids) > _TOLD else ""
    noun = "record" if len(ids) == 1 else "records"
    return f"{noun} {', '.join(ids[:_TOLD])}{more} of the same hold the same counts"
