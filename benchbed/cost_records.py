"""A folder of cost records beside those of runs: each file appears whole or not at all. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchbed.cost_record import (
    CostRecord,
    Point,
    from_json,
    law_samples,
    paired_samples,
    stage_medians,
    to_json,
)
from benchbed.errors import StoreError
from benchbed.record_store import write_whole

__all__ = [
    "CostRecord",
    "Point",
    "law_samples",
    "paired_samples",
    "prepare",
    "read_cost_record",
    "read_cost_records",
    "stage_medians",
    "write_cost_record",
]

FOLDER: Final = "costs"


def write_cost_record(folder: Path, record: CostRecord) -> Path:
    """Write `folder/costs/<id>.json`, whole or not at all; returns its path.

    Raises:
        StoreError: no room or no permission.
    """
    path = folder / FOLDER / f"{record.id}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_json(record).encode())
    except OSError as error:
        raise StoreError(_cannot_write(path, error)) from error
    return path


def prepare(folder: Path) -> Path:
    """Make sure that a cost record can be written, before anything is measured; returns the folder for tracebacks.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    try:
        for name in (FOLDER, "partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        probe = folder / FOLDER / ".probe"
        write_whole(probe, b"benchbed")
        probe.unlink()
    except OSError as error:
        raise StoreError(_cannot_write(folder, error)) from error
    return folder / "partial"


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: cost records cannot be written there ({reason}); free room or give another folder with --out"


def read_cost_record(path: Path) -> CostRecord:
    """Read one file.

    Raises:
        StoreError: missing, unreadable, torn, foreign, newer or altered.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); give the path of a cost record") from error
    return from_json(text, str(path))


def read_cost_records(folder: Path) -> tuple[list[CostRecord], list[str]]:
    """All readable cost records of a store's folder, oldest first, and one sentence for each file that was skipped."""
    records: list[CostRecord] = []
    skipped: list[str] = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            records.append(read_cost_record(path))
        except StoreError as error:
            skipped.append(str(error))
    return sorted(records, key=_by_age), skipped


def _by_age(record: CostRecord) -> tuple[str, str]:
    return record.created, record.id
