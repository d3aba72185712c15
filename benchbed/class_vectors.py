"""Class vectors that a user brings as a file: rows of a .npy, or one tensor a class name. Nothing is ever unpickled into code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.errors import CheckpointError, UsageError


def read_vectors(path: Path) -> Tensor | Mapping[str, Tensor]:
    """The rows [K, D] of a .npy; class name -> [D] of a safetensors or torch file.

    What the numbers are, and whether all are as long, is checked by who uses them.

    Raises:
        CheckpointError: missing, damaged, or with pickled objects in it.
    """
    return _read_rows(path) if path.suffix == ".npy" else read_tensors(path)


def _read_rows(path: Path) -> Tensor:
    try:
        rows: Any = np.load(path, allow_pickle=False)
        return torch.from_numpy(np.ascontiguousarray(rows)).float()
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as class vectors ({str(error).splitlines()[0]}); expected a .npy of numbers "
            "[classes, length] without pickled objects"
        ) from error


def named_vectors(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """As `read_vectors`, with rows named after a dataset's classes, unseen ones included.

    Args:
        path: the file.
        names: K class names in label order.

    Raises:
        CheckpointError: the file is missing, damaged, or with pickled objects in it.
        UsageError: rows without names, and not one a class.
    """
    found = read_vectors(path)
    if not isinstance(found, Tensor):
        return dict(found)
    if found.ndim != 2 or len(found) != len(names):
        raise UsageError(
            f"{path}: holds {list(found.shape)} numbers; expected {len(names)} rows, one a class in the dataset's order, "
            "unseen classes included, or a safetensors file with one vector a class name"
        )
    return dict(zip(names, found.unbind(), strict=True))
