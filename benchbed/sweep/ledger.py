"""What a sweep knows of its jobs, as files: a second call reads them, on this machine or another. Free of torch.

OUT/sweep/KEY.job.json        the job that was last submitted for an item, and how often
OUT/sweep/KEY.outcome.json    how it went, written by the job itself at its end
OUT/sweep/logs/               what jobs say, and submitit's own files
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchbed.errors import StoreError
from benchbed.record_store import read_record, write_whole
from benchbed.records import Record
from benchbed.sweep.item import SweepItem


@dataclass(frozen=True)
class Job:
    """A job that was submitted.

    Attributes:
        executor: `slurm` or `local`.
        id: Slurm's number, or a process's.
        log: what it says.
        born: when a local process began, seconds since 1970: tells it from a later one of the same number.
        times: how often the item was submitted.
    """

    executor: str
    id: str
    log: str
    born: float = 0.0
    times: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a job went: exit code, its records' files, what failed."""

    code: int
    records: tuple[Path, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """The files of one sweep folder."""

    out: Path

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.out / "sweep"

    @property
    def logs(self) -> Path:
        """Where jobs talk."""
        return self.folder / "logs"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            StoreError: they cannot be made.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.logs}: cannot be made ({error.strerror}); free room or give another folder with --out"
            ) from error

    def outcome_path(self, item: SweepItem) -> Path:
        """Where the job says how it went."""
        return self.folder / f"{item.key}.outcome.json"

    def job(self, item: SweepItem) -> Job | None:
        """The job that was last submitted; None for none, or a file that is torn."""
        content = _read(self._job_path(item))
        try:
            return Job(**content) if content else None
        except TypeError:
            return None

    def note(self, item: SweepItem, job: Job) -> None:
        """Remember a job, and forget how an earlier one went.

        Raises:
            StoreError: no room or no permission.
        """
        try:
            write_whole(self._job_path(item), json.dumps(asdict(job), indent=1).encode() + b"\n")
        except OSError as error:
            raise StoreError(
                f"{self._job_path(item)}: cannot be written ({error.strerror}); free room; job {job.id} goes on"
            ) from error

    def clear(self, item: SweepItem) -> None:
        """Forget how an earlier job went, before the next is submitted."""
        self.outcome_path(item).unlink(missing_ok=True)

    def outcome(self, item: SweepItem) -> Outcome | None:
        """How the item's job went; None where it has not come to its end."""
        content = _read(self.outcome_path(item))
        try:
            return Outcome(
                int(content["code"]),
                tuple(map(Path, content["records"])),
                tuple(map(str, content["failures"])),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def finished(self, item: SweepItem) -> list[tuple[Record, Path]] | None:
        """The records of an item that was measured without a failure and are all still whole; None otherwise."""
        outcome = self.outcome(item)
        if outcome is None or outcome.code or not outcome.records:
            return None
        try:
            return [(read_record(self._here(path)), self._here(path)) for path in outcome.records]
        except StoreError:
            return None

    def _here(self, path: Path) -> Path:
        """A record's path below this folder, wherever the folder lay when the job wrote it."""
        below = self.out / "records" / path.parent.name / path.name
        return below if below.exists() else path

    def _job_path(self, item: SweepItem) -> Path:
        return self.folder / f"{item.key}.job.json"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, Mapping) else {}
