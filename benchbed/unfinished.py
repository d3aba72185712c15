"""Which items of a command have a record already, kept until the command has done all of them.

After a kill or Ctrl-C the same command goes on: what is recorded is not measured again, so that it counts once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchbed.counting_pass import Counting
from benchbed.errors import StoreError
from benchbed.journal import locked, write_all
from benchbed.plan import Plan, PlanItem
from benchbed.record_store import RecordStore, read_record
from benchbed.records import Record
from benchbed.source_digest import source_digest
from benchbed.subject import config


class Unfinished:
    """A file of one line a record, written just before the record itself: whether the record came about, its file tells.

    One process owns it at a time; another one that runs the same command keeps no such list.
    """

    def __init__(self, store: RecordStore, file: int | None, lines: bytes) -> None:
        self.store = store
        self._file = file
        self._paths = dict(pair for line in lines.splitlines() if (pair := _pair(line)))

    def record_of(self, item: PlanItem, how: Counting) -> tuple[Record, Path] | None:
        """The record that an interrupted run of the same command wrote of an item, if it is whole."""
        name = self._paths.get(item_key(item, how))
        if name is None:
            return None
        path = self.store.folder / name
        with contextlib.suppress(StoreError):
            return read_record(path), path
        return None

    def add(self, item: PlanItem, how: Counting, path: Path) -> None:
        """Say that the item's record is about to be written there. A full disk is left to the record itself to complain of."""
        if self._file is None:
            return
        line = {"item": item_key(item, how), "record": str(path.relative_to(self.store.folder))}
        with contextlib.suppress(OSError):
            write_all(self._file, json.dumps(line).encode() + b"\n")


@contextmanager
def unfinished(store: RecordStore, plan: Plan, how: Counting) -> Iterator[Unfinished]:
    """Open the list of a command's records; it is deleted when the block ends without an error.

    Raises:
        StoreError: the file cannot be made.
    """
    keys = [item_key(item, how) for item in plan.items]
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:24]
    path = store.partial / f"{name}.records"
    try:
        file = locked(path)
        lines = path.read_bytes() if file is not None else b""
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); free room or give another folder with --out"
        ) from error
    try:
        yield Unfinished(store, file, lines)
        if file is not None:
            path.unlink(missing_ok=True)
    finally:
        if file is not None:
            os.close(file)


def item_key(item: PlanItem, how: Counting) -> str:
    """Names what an item measures, without loading it: variant, code, weights, data, images and protocol."""
    weights = item.weights
    stat = weights.path.stat() if weights.path and weights.path.is_file() else None
    content: list[Any] = [
        item.chosen.label,
        source_digest(item.chosen.variant.build.partition(":")[0].partition(".")[0]),
        [weights.kind, weights.seed, str(weights.path)],
        [stat.st_size, stat.st_mtime_ns] if stat else None,
        config(item),
        [item.dataset.identity, item.images],
        item.protocol.fingerprint,
        how.on_bad_image,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _pair(line: bytes) -> tuple[str, str] | None:
    """Item and record of a line; None for a torn or foreign one."""
    try:
        content = json.loads(line)
        return str(content["item"]), str(content["record"])
    except (ValueError, KeyError, TypeError):
        return None
