"""Counts of finished images, kept on disk while a run goes on, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchbed.errors import StoreError
from benchbed.metrics.counts import Counts, ImageCounts

_FIELDS: Final = ("intersection", "predicted", "labelled")
Sparse = NDArray[np.int64]  # [4, n]: classes that occur, and their three counts


class Journal:
    """An append-only file of one line an image: its id, the counts of the classes that occur, and a checksum.

    From a line on that is torn (a kill, a full disk), foreign or damaged, nothing is believed: the file is cut off there and
    the images are counted again; `dropped` says so. One process owns a journal at a time; another one that wants the same
    works without. Rows stay sparse in memory: some hundred bytes an image, whatever the number of classes.
    """

    def __init__(self, path: Path, classes: int) -> None:
        self.path = path
        self.classes = classes
        self.dropped = 0  # bytes of the file that were not believed
        self._rows: dict[str, Sparse] = {}
        self._file: int | None = None

    @property
    def owned(self) -> bool:
        """Whether this process writes the file; False where another run holds it."""
        return self._file is not None

    @property
    def rows(self) -> Mapping[str, object]:
        """Ids of the images that are counted."""
        return self._rows

    def add(self, row: ImageCounts) -> None:
        """Keep the counts of one image; they are on their way to the disk when this returns, and survive a kill.

        Raises:
            StoreError: no room; what was kept before stays.
        """
        self._rows[row.image_id] = _sparse(row)
        if self._file is None:
            return
        try:
            write_all(self._file, _line(row.image_id, self._rows[row.image_id]))
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}); free room and run the same command"
            ) from error

    def counts(self, ids: tuple[str, ...]) -> Counts:
        """The counts of these images, in this order."""
        table = np.zeros((len(_FIELDS), len(ids), self.classes), np.int64)
        for place, name in enumerate(ids):
            used, *values = self._rows[name]
            table[:, place, used] = values
        return Counts(ids, *table)

    def read(self) -> int:
        """Take over the whole lines of the file; returns where they end.

        Raises:
            OSError: it cannot be read.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = 0
        for line in content.splitlines(keepends=True):
            found = _parsed(line, self.classes)
            if found is None:
                break
            self._rows[found[0]] = found[1]
            whole += len(line)
        self.dropped = len(content) - whole
        return whole

    def open(self) -> None:
        """Own the file if nobody else does, and cut it off where it is not to be believed.

        Raises:
            OSError: it cannot be made, read or written.
        """
        file = locked(self.path)
        if file is not None:
            os.ftruncate(file, self.read())
            self._file = file

    def close(self, remove: bool = False) -> None:
        """Let go of the file, and with `remove` delete it if it is ours: a record holds everything."""
        if remove and self._file is not None:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None


@contextmanager
def journal(path: Path, classes: int) -> Iterator[Journal]:
    """Open the journal at `path` for K `classes` and close it at the end, whatever happens.

    Raises:
        StoreError: the file cannot be made.
    """
    book = Journal(path, classes)
    try:
        book.open()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); free room or give another folder with --out"
        ) from error
    try:
        yield book
    finally:
        book.close()


def locked(path: Path) -> int | None:
    """Open a file for reading and appending, made if it is not there, and own it; None where another process does.

    Raises:
        OSError: it cannot be made, read or written.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        # Its owner may have deleted it between our opening and locking it; then it is nobody's any more.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


def write_all(file: int, content: bytes) -> None:
    """One call to the system where it takes all at once, so that a kill finds the line whole or not there."""
    while content:
        content = content[os.write(file, content) :]


def _sparse(row: ImageCounts) -> Sparse:
    used = np.flatnonzero((row.predicted > 0) | (row.labelled > 0))
    return np.stack([used, *[getattr(row, name)[used] for name in _FIELDS]])


def _line(name: str, sparse: Sparse) -> bytes:
    content = {"id": name, **dict(zip(("classes", *_FIELDS), sparse.tolist(), strict=True))}
    return json.dumps({**content, "sum": _sum(content)}).encode() + b"\n"


def _sum(content: Mapping[str, Any]) -> int:
    """CRC-32: a changed digit can leave counts that are possible but wrong."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _parsed(line: bytes, classes: int) -> tuple[str, Sparse] | None:
    """An image's id and counts; None for anything else than a whole line of a journal of as many classes."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
        if _sum({name: value for name, value in content.items() if name != "sum"}) != content["sum"]:
            return None
        sparse = np.array([content[name] for name in ("classes", *_FIELDS)], np.int64)
        dense = np.zeros((len(_FIELDS), 1, classes), np.int64)
        dense[:, 0, sparse[0]] = sparse[1:]
        Counts((str(content["id"]),), *dense)  # refuses counts that no image can have
        return str(content["id"]), sparse
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
