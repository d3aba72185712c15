"""Unpack zip and tar archives; nothing is written outside the folder, no links, no devices, no more bytes than there is room."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from benchbed.download.room import check_room
from benchbed.errors import DataError, StoreError
from benchbed.progress import Reporter

_DAMAGE: Final = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class _Entry:
    """A regular file or folder of an archive: `key` opens it."""

    name: str
    size: int
    folder: bool
    key: Any


def unpack(path: Path, folder: Path, reporter: Reporter) -> int:
    """Unpack an archive into `folder`; returns the number of files.

    All names are looked at before the first file is written. Files already there with the right size are left alone, so that
    an interrupted unpacking goes on.

    Raises:
        DataError: the archive is damaged, of another kind, or has an entry that points outside, a link or a device.
        StoreError: the disk is full or cannot be written.
    """
    with _opened(path) as archive:
        entries = [*_entries(path, archive)]
        files = [entry for entry in entries if not entry.folder]
        for entry in entries:
            _check_place(path, entry.name)
        todo = [entry for entry in files if not _there(folder / entry.name, entry.size)]
        check_room(folder, sum(entry.size for entry in todo), f"unpacking {path.name}")
        with reporter.task(f"unpacking {path.name}", len(files), len(files) - len(todo)) as tick:
            for done, entry in enumerate(todo, len(files) - len(todo) + 1):
                _write(path, archive, entry, folder / entry.name)
                tick(done)
    return len(files)


def _opened(path: Path) -> AbstractContextManager[Any]:
    try:
        if zipfile.is_zipfile(path):
            return zipfile.ZipFile(path)
        return tarfile.open(path)
    except (*_DAMAGE, OSError) as error:
        raise DataError(
            f"{path} is no whole zip or tar archive ({error}); remove it and get it again"
        ) from error


def _entries(path: Path, archive: Any) -> Iterator[_Entry]:
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(path, info.filename, "is a link or a device")
            yield _Entry(info.filename, info.file_size, info.is_dir(), info)
        return
    try:
        for member in archive:
            if not (member.isreg() or member.isdir()):
                raise _refused(path, member.name, "is a link or a device")
            yield _Entry(member.name, member.size, member.isdir(), member)
        # gzip's checksum stands at the end, which reading the members alone never reaches.
        while archive.fileobj.read(1 << 20):
            continue
    except (*_DAMAGE, OSError) as error:
        raise _damaged(path, error) from error


def _check_place(path: Path, name: str) -> None:
    """Refuse a name that leaves the folder: absolute, with a drive, a backslash or `..`."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or name[1:2] == ":" or "\0" in name:
        raise _refused(path, name, "points outside the folder")


def _there(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _write(path: Path, archive: Any, entry: _Entry, target: Path) -> None:
    """Through a neighbour that takes the name when it is whole; a link in the way is replaced, never followed."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with _content(archive, entry) as source, part.open("xb") as file:
            written = _copy(source, file, entry.size)
        if written != entry.size:
            raise _damaged(path, f"{entry.name} has {written:,} bytes, {entry.size:,} are promised")
        os.replace(part, target)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}; free space or pass another folder as --to, then run the "
            "same command"
        ) from error


def _content(archive: Any, entry: _Entry) -> Any:
    return archive.open(entry.key) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(entry.key)


def _copy(source: IO[bytes], file: IO[bytes], most: int) -> int:
    """Copy at most one byte more than promised: enough to notice that there is more."""
    left = most + 1
    while left and (block := _read(source, min(left, 1 << 20))):
        file.write(block)
        left -= len(block)
    return most + 1 - left


def _read(source: IO[bytes], size: int) -> bytes:
    """A broken gzip raises OSError; here it must not be taken for a disk that cannot be written."""
    try:
        return source.read(size)
    except OSError as error:
        raise tarfile.ReadError(str(error)) from error


def _refused(path: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{path} has the entry {name!r}, which {why}: refused, nothing was unpacked; get the archive from its official place"
    )


def _damaged(path: Path, reason: object) -> DataError:
    return DataError(f"{path} is damaged ({reason}); remove it and get it again")
