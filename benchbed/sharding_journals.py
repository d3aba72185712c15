"""Journals of workers: a folder a worker, taken over line by line by the next run where a worker died. Free of torch.

partial/KEY.jsonl                      what a run in one process counts, and what the next run goes on from
partial/shares/RUN-RANK/KEY.jsonl      what one worker of a run counts
partial/shares/RUN-RANK/lock           held by that worker as long as it lives; the system lets go of it on any death
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchbed.errors import StoreError
from benchbed.journal import Journal, locked

SHARES: Final = "shares"
LOCK: Final = "lock"
ENDING: Final = ".jsonl"


@contextmanager
def share_folder(partial: Path, rank: int) -> Iterator[Path]:
    """A folder for this worker's journals, its own as long as it lives; gone at the end if nothing is left in it.

    Raises:
        StoreError: it cannot be made.
    """
    folder = partial / SHARES / f"{uuid.uuid4().hex[:12]}-{rank}"
    hidden = folder.with_name(f".{folder.name}")  # nobody looks in there until the lock is held
    try:
        hidden.mkdir(parents=True)
        lock = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder)
    except OSError as error:
        raise StoreError(_cannot_write(folder, error)) from error
    try:
        yield folder
    finally:
        if not list(folder.glob(f"*{ENDING}")):
            _remove(folder)
        os.close(lock)


def take_in(partial: Path) -> int:
    """Append what dead workers counted to the journals that a run goes on from; returns how many of their folders went.

    A journal that another run is writing is left alone, and so is a living worker's folder.

    Raises:
        StoreError: no room; nothing is lost, a line may then be in both files, which says the same twice.
    """
    taken = 0
    for folder in sorted((partial / SHARES).glob("[!.]*")):
        with _locked(folder / LOCK) as ours:
            if ours:
                taken += _take_folder(folder, partial)
    return taken


def _take_folder(folder: Path, partial: Path) -> bool:
    for path in sorted(folder.glob(f"*{ENDING}")):
        with _locked(partial / path.name) as ours:
            if not ours:
                return False
            append_lines(partial / path.name, _whole_lines(path))
            path.unlink()
    _remove(folder)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether we own this file inside; False also where its folder went or nothing can be made in it."""
    try:
        file = locked(path)
    except OSError:
        file = None
    try:
        yield file is not None
    finally:
        if file is not None:
            os.close(file)


def append_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Add whole lines to a journal, after cutting off a line that a kill left unfinished.

    Raises:
        StoreError: no room or no permission.
    """
    try:
        with path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
            file.writelines(lines)
    except OSError as error:
        raise StoreError(_cannot_write(path, error)) from error


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def known_lines(path: Path, classes: int) -> dict[str, bytes]:
    """Image id -> its line, of all lines of a journal that can be believed; empty where there is none.

    Raises:
        StoreError: the file is there but cannot be read.
    """
    try:
        whole = Journal(path, classes).read()
        content = path.read_bytes()[:whole] if whole else b""
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return {str(json.loads(line)["id"]): line for line in content.splitlines(keepends=True)}


def forget(path: Path) -> None:
    """Remove a journal whose content a record holds, unless another run is writing it."""
    if path.exists():
        with _locked(path) as ours:
            if ours:
                path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    (folder / LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _cannot_write(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror}); free room or give another folder with --out"
