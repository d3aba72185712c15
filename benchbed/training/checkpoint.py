"""A checkpoint: tensors in `NAME.safetensors`, and in `NAME.json` what they are and how to make them again. No pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchbed.errors import CheckpointError, StoreError
from benchbed.record_store import write_whole
from benchbed.trained_config import KIND

SCHEMA: Final = 1
TENSORS: Final = ".safetensors"
FACTS: Final = ".json"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write both files; each appears whole or not at all, the JSON last, so that a JSON always has its tensors.

    Args:
        path: of the tensors, ending in `.safetensors`.
        tensors: of any device; they may share memory.
        facts: plain values; `sha256` of the tensors' file and the layout's version are added.

    Raises:
        StoreError: no room or no permission; nothing half-written is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _write_tensors(path, tensors)
        content = {"kind": KIND, "schema": SCHEMA, **facts, "file": path.name, "sha256": digest}
        write_whole(path.with_suffix(FACTS), (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
        _sync_folder(path.parent)
    except (OSError, SafetensorError) as error:
        raise StoreError(cannot_write(path, error)) from error
    return path


def cannot_write(path: Path, error: Exception) -> str:
    """The sentence for a file that could not be written."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{path}: cannot be written ({reason}); free room, or give another folder with --out"


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        save_file({key: _plain(tensor) for key, tensor in tensors.items()}, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return digest


def _plain(tensor: Tensor) -> Tensor:
    """A copy of its own on the CPU: safetensors takes no tensors that share memory (tied weights)."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def read_facts(path: Path) -> dict[str, Any]:
    """The JSON beside a checkpoint's tensors.

    Raises:
        CheckpointError: missing, torn, or of something else.
    """
    path = path.with_suffix(FACTS)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); expected a file that benchbed train wrote"
        ) from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise CheckpointError(f"{path}: not written by benchbed train (no kind {KIND!r} in it)")
    if content.get("schema") != SCHEMA:
        raise CheckpointError(
            f"{path}: layout {content.get('schema')}, this benchbed reads {SCHEMA}; use the one that wrote it"
        )
    return content


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on the CPU, and facts.

    Raises:
        CheckpointError: a file is missing or damaged, or the two do not belong together.
    """
    facts = read_facts(path)
    try:
        found = file_digest(path)
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    if found != facts.get("sha256"):
        raise CheckpointError(
            f"{path}: its SHA-256 is {found[:12]}..., {path.with_suffix(FACTS).name} says "
            f"{str(facts.get('sha256'))[:12]}...: it was damaged or replaced"
        )
    return tensors, facts


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_checkpoint(path: Path) -> None:
    """Remove both files; the JSON first, so that what is left is never taken for a checkpoint."""
    path.with_suffix(FACTS).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
