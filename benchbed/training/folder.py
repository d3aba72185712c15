"""The folder of one training: who may write there, and where a training that goes on begins."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchbed.errors import StoreError, UsageError
from benchbed.record_store import write_whole
from benchbed.trained_config import KIND
from benchbed.training.checkpoint import SCHEMA, cannot_write, read_facts
from benchbed.training.facts import check_same
from benchbed.training.recipe import Stage
from benchbed.training.state import state_files

FINAL: Final = "final.safetensors"
BEGUN: Final = "training.json"
LOCK: Final = ".lock"


def stage_file(number: int, stage: Stage) -> str:
    """The weights at the end of a stage that is not the last one."""
    return f"stage-{number + 1}-{stage.name}.safetensors"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other trainings out of it meanwhile.

    Raises:
        StoreError: it cannot be made or written.
        UsageError: another process is training there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    except OSError as error:
        raise StoreError(cannot_write(folder, error)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"--out {folder}: another process is training there; wait for it or give another folder"
            ) from error
        yield


def begin(folder: Path, facts: dict[str, Any], resume: bool) -> list[str]:
    """Check what is there against what is wanted, and note what is being trained.

    Returns:
        notes for the person.

    Raises:
        UsageError: there is a training already and it is not to be gone on with, or it is another one.
        CheckpointError: its files are damaged.
        StoreError: the folder cannot be written.
    """
    earlier = (folder / BEGUN).is_file() or bool(state_files(folder)) or (folder / FINAL).exists()
    if earlier and not resume:
        found = "a finished training" if (folder / FINAL).exists() else "a training"
        raise UsageError(
            f"--out {folder}: it already holds {found}; give --resume to go on with it, or another folder"
        )
    if earlier:
        return check_same(read_facts(_any_facts(folder)), facts, folder)
    try:
        content = {"kind": KIND, "schema": SCHEMA, **facts}
        write_whole(folder / BEGUN, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise StoreError(cannot_write(folder / BEGUN, error)) from error
    return [f"{folder}: nothing to resume there; training from the beginning"] if resume else []


def finished(folder: Path) -> bool:
    """Whether the last weights are there, with their JSON."""
    return (folder / FINAL).is_file() and (folder / FINAL).with_suffix(".json").is_file()


def _any_facts(folder: Path) -> Path:
    if (folder / BEGUN).is_file():
        return folder / BEGUN
    return folder / FINAL if finished(folder) else (state_files(folder) or [folder / BEGUN])[0]
