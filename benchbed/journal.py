"""Counts of finished images, kept on disk while a run goes on, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchbed.errors import StoreError
from benchbed.metrics.counts import Counts, ImageCounts

_FIELDS = ("intersection", "predicted", "labelled")


class Journal:
    """An append-only file of one line an image: its id and the counts of the classes that occur.

    A line cut off in the middle (a kill, a full disk) is dropped on reading. One process owns a journal at a time;
    another one that wants the same works without.
    """

    def __init__(self, path: Path, classes: int) -> None:
        self.path = path
        self.classes = classes
        self.rows: dict[str, ImageCounts] = {}
        self._file: IO[str] | None = None

    @property
    def owned(self) -> bool:
        """Whether this process writes the file; False where another run holds it."""
        return self._file is not None

    def add(self, row: ImageCounts) -> None:
        """Keep the counts of one image.

        Raises:
            StoreError: no room; what was kept before stays.
        """
        self.rows[row.image_id] = row
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(_sparse(row)) + "\n")
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}); free room and run the same command"
            ) from error

    def counts(self, ids: tuple[str, ...]) -> Counts:
        """The counts of these images, in this order."""
        return Counts.from_images([self.rows[name] for name in ids])

    def _open(self) -> None:
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return
        file.seek(0)
        whole = 0
        for line in iter(file.readline, ""):
            row = self._parse(line)
            if row is None:
                break
            self.rows[row.image_id] = row
            whole = file.tell()
        file.truncate(whole)
        file.seek(0, 2)
        self._file = file

    def _parse(self, line: str) -> ImageCounts | None:
        if not line.endswith("\n"):
            return None
        try:
            row = _dense(json.loads(line), self.classes)
            Counts.from_images([row])  # refuses counts that no image can have
            return row
        except (ValueError, KeyError, IndexError, TypeError):
            return None


@contextmanager
def journal(path: Path, classes: int) -> Iterator[Journal]:
    """Open the journal at `path` for K `classes` and close it at the end, whatever happens.

    Raises:
        StoreError: the file cannot be made.
    """
    book = Journal(path, classes)
    try:
        book._open()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); free room or give another folder with --out"
        ) from error
    try:
        yield book
    finally:
        if book._file is not None:
            with contextlib.suppress(OSError):
                book._file.close()


def _sparse(row: ImageCounts) -> dict[str, Any]:
    used = np.flatnonzero((row.predicted > 0) | (row.labelled > 0))
    return {
        "id": row.image_id,
        "classes": used.tolist(),
        **{n: getattr(row, n)[used].tolist() for n in _FIELDS},
    }


def _dense(line: dict[str, Any], classes: int) -> ImageCounts:
    arrays = {}
    for name in _FIELDS:
        arrays[name] = np.zeros(classes, np.int64)
        arrays[name][line["classes"]] = line[name]
    return ImageCounts(**arrays, image_id=line["id"])
