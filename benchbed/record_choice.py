"""Which records a person means: by path, by id, or by the name of a method. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbed.compare import incomparable
from benchbed.errors import UsageError
from benchbed.record_store import RecordStore, read_record
from benchbed.records import Record

Group = tuple[str, str, str]


@dataclass(frozen=True)
class RecordChoice:
    """Records in the order of the names given, and what a reader should know of how they were found."""

    records: list[Record]
    notes: list[str]


def choose_records(
    names: Sequence[str], store: RecordStore, dataset: str | None = None, protocol: str | None = None
) -> RecordChoice:
    """One record for each name; names of methods are looked up where all of them were measured alike, newest first.

    Args:
        names: each a path, an id or the start of one, `method` or `method/variant`.
        store: where ids and methods are looked for.
        dataset, protocol: which of a method's records are meant; the protocol by name or fingerprint.

    Raises:
        UsageError: nothing fits a name, or the methods have several groups of comparable records, or none in common.
        StoreError: a record that was named by file or id is torn, edited, foreign or of a newer schema.
    """
    if all(Path(name).is_file() for name in names):
        return RecordChoice([read_record(Path(name)) for name in names], [])
    kept, skipped = store.read_all()
    kept = [each for each in kept if _wanted(each, dataset, protocol)]
    fitting = [_fitting(name, kept, store, (dataset, protocol)) for name in names]
    group = _common_group(names, fitting)
    chosen = [next((r for r in reversed(found) if r.group == group), found[-1]) for found in fitting]
    older = [
        f"{name}: the newest of {count} records that fit, {record.id} of {record.created}"
        for name, record, count in zip(
            names, chosen, (sum(r.group == group for r in f) for f in fitting), strict=True
        )
        if count > 1
    ]
    return RecordChoice(chosen, [*(f"skipped: {sentence}" for sentence in skipped), *older])


def _wanted(record: Record, dataset: str | None, protocol: str | None) -> bool:
    named = (record.protocol["name"], record.protocol["fingerprint"])
    return dataset in (None, record.dataset["name"]) and (protocol is None or protocol in named)


def _fitting(
    name: str, kept: Sequence[Record], store: RecordStore, wanted: tuple[str | None, str | None]
) -> list[Record]:
    """Records that a name may mean, oldest first: exactly one for a file or an id."""
    if Path(name).is_file():
        return [read_record(Path(name))]
    found = [each for each in kept if name in (each.label, each.method["name"])]
    labels = sorted({each.label for each in found})
    if len(labels) > 1:
        raise UsageError(f"{name!r} has records of {', '.join(labels)}; name the variant")
    if found:
        return found
    if "/" in name:
        flags = [
            f"--{flag} {value}" for flag, value in zip(("dataset", "protocol"), wanted, strict=True) if value
        ]
        known = sorted({each.label for each in kept})
        raise UsageError(
            f"no record of {name!r} in {store.folder}{' with ' + ' '.join(flags) if flags else ''}; there are records of "
            f"{', '.join(known) or 'nothing'}; benchbed run --methods {name} makes one"
        )
    return [read_record(store.find(name))]


def _common_group(names: Sequence[str], fitting: Sequence[Sequence[Record]]) -> Group | None:
    """The one group in which every name has a record; None where there is none and each name means one record only."""
    newest: dict[Group, Record] = {each.group: each for found in fitting for each in found}
    common = set.intersection(*({each.group for each in found} for found in fitting))
    if len(common) == 1:
        return next(iter(common))
    if common:
        listed = "; ".join(sorted(_describe(newest[group]) for group in common))
        raise UsageError(
            f"{' and '.join(names)} were measured together in {len(common)} ways: {listed}; "
            "say which with --dataset and --protocol (a name or a fingerprint), or give ids"
        )
    if all(len(found) == 1 for found in fitting):
        return None  # named one by one: whoever compares them says what differs
    first, other = _nearest(fitting)
    raise UsageError(
        f"{' and '.join(names)} were never measured alike; their nearest records, {first.id} and {other.id}, differ in "
        f"{incomparable(first, other)}; measure them in one benchbed run"
    )


def _nearest(fitting: Sequence[Sequence[Record]]) -> tuple[Record, Record]:
    """Two records of different names, of one dataset if there are such, with the fewest differing fields."""
    pairs = [
        (one, other)
        for place, found in enumerate(fitting)
        for others in fitting[place + 1 :]
        for one in found
        for other in others
        if one.group != other.group
    ]
    return min(
        pairs, key=lambda p: (p[0].dataset["name"] != p[1].dataset["name"], incomparable(*p).count(";"))
    )


def _describe(record: Record) -> str:
    protocol = record.protocol
    return f"{record.dataset['name']}, {record.dataset['coverage']}, {protocol['name']} {protocol['fingerprint']}"
