"""Records of many folders, machines and people as one collection: each once, damaged files named, contradictions flagged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from benchbed.errors import StoreError, UsageError
from benchbed.metrics.counts import Counts
from benchbed.progress import Reporter
from benchbed.record_store import read_record
from benchbed.records import Record

# Folders of a store that hold no such records: unfinished work, pictures with what belongs to them, the records of
# `benchbed cost`, which have a layout of their own, and what a sweep knows of its jobs.
NOT_RECORDS: Final = ("partial", "predictions", "costs", "sweep")


@dataclass(frozen=True)
class Entry:
    """A record and the file it was read from, as the user named its folder."""

    record: Record
    file: str


@dataclass(frozen=True)
class Contradiction:
    """Two records that should agree and do not: same variant, weights, data and protocol, other counts.

    Attributes:
        first, second: ids of the two records.
        text: one sentence: what is the same, how many images differ, and where to look.
    """

    first: str
    second: str
    text: str


@dataclass(frozen=True)
class Collection:
    """What was read.

    Attributes:
        entries: each record once, by dataset, label, time and id: never by the order of folders.
        skipped: one sentence for each file that is not a whole record.
        duplicates: how many files held a record that another file had brought already.
    """

    entries: tuple[Entry, ...]
    skipped: tuple[str, ...] = ()
    duplicates: int = 0

    @property
    def records(self) -> tuple[Record, ...]:
        """The records alone, in the same order."""
        return tuple(entry.record for entry in self.entries)

    @cached_property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """All of them, each record against the oldest that should agree with it."""
        return contradictions(self.records)


def collect(paths: Sequence[Path], reporter: Reporter | None = None) -> Collection:
    """Read every record of the given files and folders.

    Args:
        paths: record files, stores (their `records` folder is read) or any folders with records below.
        reporter: where progress is told; None for nowhere.

    Raises:
        UsageError: a path that does not exist; the message names it.
    """
    entries: dict[str, Entry] = {}
    skipped: list[str] = []
    duplicates = 0
    for path in (reporter or Reporter(quiet=True)).each("records read", _files(paths)):
        try:
            record = read_record(path)
        except StoreError as error:
            skipped.append(str(error))
            continue
        duplicates += record.id in entries
        entries.setdefault(record.id, Entry(record, str(path)))
    return Collection(tuple(sorted(entries.values(), key=_order)), tuple(skipped), duplicates)


def _order(entry: Entry) -> tuple[str, str, str, str]:
    record = entry.record
    return str(record.dataset["name"]), record.label, record.created, record.id


def _files(paths: Sequence[Path]) -> list[Path]:
    """Every file once, however many of the paths lead to it, in an order that the paths' order does not change."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"--from {path}: no such file or folder; expected records of benchbed run: its --out folder, or a file in it"
            )
        for file in [path] if path.is_file() else _below(path):
            found.setdefault(file.resolve(), file)
    return sorted(found.values(), key=str)


def _below(folder: Path) -> Iterable[Path]:
    inside = folder / "records" if (folder / "records").is_dir() else folder
    return (
        path for path in inside.rglob("*.json") if not set(path.relative_to(inside).parts) & set(NOT_RECORDS)
    )


def contradictions(records: Sequence[Record]) -> tuple[Contradiction, ...]:
    """Pairs whose counts differ on images that both have though nothing that decides them does."""
    keyed = sorted(((_same(record), record) for record in records if record.counts), key=_by_key)
    found = []
    for _, group in groupby(keyed, key=lambda pair: pair[0]):
        first, *others = [record for _, record in group]
        for other in others:
            differing = _differing(first, other)
            if differing:
                found.append(Contradiction(first.id, other.id, _sentence(first, other, differing)))
    return tuple(found)


def _by_key(pair: tuple[str, Record]) -> tuple[str, str, str]:
    key, record = pair
    return key, record.created, record.id


def _same(record: Record) -> str:
    """All that decides the counts of an image, but for code and machine."""
    content = [
        record.label,
        record.method["weights"]["sha256"],
        record.method.get("config"),
        record.dataset["name"],
        record.dataset["identity"],
        record.dataset.get("prompts"),
        record.protocol["fingerprint"],
    ]
    return json.dumps(content, sort_keys=True, default=str)


def _differing(first: Record, second: Record) -> list[str]:
    """Ids of images that both counted, with different results."""
    assert first.counts is not None
    assert second.counts is not None
    own, other = _rows(first.counts), _rows(second.counts)
    if first.counts.image_ids == second.counts.image_ids and np.array_equal(own, other):
        return []
    places = {name: place for place, name in enumerate(second.counts.image_ids)}
    common = [(i, places[name]) for i, name in enumerate(first.counts.image_ids) if name in places]
    return [first.counts.image_ids[i] for i, j in common if not np.array_equal(own[i], other[j])]


def _rows(counts: Counts) -> np.ndarray:
    """[N, 3 K]: all counts of an image in one row."""
    return np.concatenate((counts.intersection, counts.predicted, counts.labelled), axis=1)


def _sentence(first: Record, second: Record, differing: list[str]) -> str:
    images = f"{len(differing):,} image{'s' if len(differing) > 1 else ''} (first: {differing[0]})"
    return (
        f"records {first.id} and {second.id} contradict each other: {first.label} on {first.dataset['name']}, same weights, "
        f"data and protocol, but other counts on {images}; {_apart(first, second)}"
    )


def _apart(first: Record, second: Record) -> str:
    """What else differs: where to look for the cause."""
    machines = [record.environment.get("machine", "") for record in (first, second)]
    pairs = {
        "benchbed commit": [record.bench.get("commit") or "none" for record in (first, second)],
        "machine": machines,
        "torch": [record.environment.get("versions", {}).get("torch", "") for record in (first, second)],
    }
    named = [f"{name} {a} / {b}" for name, (a, b) in pairs.items() if a != b]
    return f"they differ in {', '.join(named)}" if named else "commit, machine and torch are the same"
