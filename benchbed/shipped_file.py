"""How weights that ship inside a package are stored: in half precision where it does no harm, with a header of facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from benchbed.errors import CheckpointError, StoreError
from benchbed.record_store import write_whole

# One key with JSON in it: safetensors writes several keys in an order that differs from run to run.
HEADER: Final = "benchbed"


def narrow(tensor: Tensor) -> Tensor:
    """Matrices and kernels in half precision; vectors, batch norms' statistics and integers as they are.

    A matrix with a number beyond half precision's 65504 stays as it is.
    """
    tensor = tensor.detach().cpu().contiguous()
    if tensor.ndim < 2 or tensor.dtype not in (torch.float32, torch.bfloat16):
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Store narrowed tensors and a header of plain values; the same content gives the same bytes.

    Returns:
        the file's SHA-256.

    Raises:
        StoreError: it cannot be written.
    """
    content = save(
        {name: narrow(tensor) for name, tensor in tensors.items()},
        {HEADER: json.dumps(header, sort_keys=True)},
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); free room, or give another place"
        ) from error
    return hashlib.sha256(content).hexdigest()


def read_header(path: Path) -> dict[str, Any]:
    """What `write` was given as header; empty for a safetensors file of somebody else's.

    Raises:
        CheckpointError: missing, or not a whole safetensors file.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such weights; the installation is not whole: install benchbed again"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); fetch it again") from error
    header: dict[str, Any] = json.loads(metadata.get(HEADER, "{}"))
    return header


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as `sha256sum` gives it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
