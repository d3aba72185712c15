"""A folder of records: each file appears whole or not at all; torn and foreign files are named and skipped."""

from __future__ import annotations

import glob
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.errors import StoreError, UsageError
from benchbed.records import Record, from_json, to_json

DEFAULT_FOLDER: Final = "benchbed-results"


@dataclass(frozen=True)
class RecordStore:
    """Records below `folder/records`; unfinished work below `folder/partial`."""

    folder: Path

    @property
    def partial(self) -> Path:
        """Where unfinished work and tracebacks are kept."""
        return self.folder / "partial"

    def prepare(self) -> None:
        """Make sure that records can be written, before anything is measured.

        Raises:
            StoreError: the folder cannot be made or written.
        """
        try:
            for name in ("records", "partial"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder / "records") as probe:
                probe.write(b"benchbed")
        except OSError as error:
            raise StoreError(_cannot_write(self.folder, error)) from error

    def path_of(self, record: Record) -> Path:
        """Where a record lives."""
        name = f"{record.label.replace('/', '-')}-{record.protocol['name']}-{record.id}.json"
        return self.folder / "records" / str(record.dataset["name"]) / name

    def write(self, record: Record) -> Path:
        """Write a record atomically; returns its path.

        Raises:
            StoreError: no room or no permission; nothing half-written is left behind.
        """
        path = self.path_of(record)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, to_json(record).encode())
        except OSError as error:
            raise StoreError(_cannot_write(path, error)) from error
        return path

    def read_all(self) -> tuple[list[Record], list[str]]:
        """All readable records, oldest first, and one sentence for each file that was skipped."""
        records, skipped = [], []
        for path in sorted((self.folder / "records").glob("*/*.json")):
            try:
                records.append(read_record(path))
            except StoreError as error:
                skipped.append(str(error))
        return sorted(records, key=lambda record: (record.created, record.id)), skipped

    def find(self, name: str) -> Path:
        """The file of a record given as a path, an id, or the start of an id.

        Raises:
            UsageError: nothing or more than one record fits.
        """
        if Path(name).is_file():
            return Path(name)
        fitting = sorted((self.folder / "records").glob(f"*/*-{glob.escape(name)}*.json"))
        if len(fitting) == 1:
            return fitting[0]
        known = sorted(path.stem.rpartition("-")[2] for path in (self.folder / "records").glob("*/*.json"))
        found = "none fits" if not fitting else f"{len(fitting)} fit"
        raise UsageError(
            f"record {name!r}: {found} in {self.folder}; expected a record's path or id"
            f"{' (' + ', '.join(known[:8]) + (', ...' if len(known) > 8 else '') + ')' if known else '; benchbed run makes one'}"
        )


def read_record(path: Path) -> Record:
    """Read one record file.

    Raises:
        StoreError: missing, unreadable, torn, foreign or altered.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); give the path of a record") from error
    return from_json(text, str(path))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all, also after a power cut."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's mask for new files; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: records cannot be written there ({reason}); free room or give another folder with --out"
