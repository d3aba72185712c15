"""Which device a run measures on. An unavailable one is refused: falling back would change the measurement."""

from __future__ import annotations

import re

import torch

from benchbed.errors import UsageError


def resolve_device(flag: str) -> torch.device:
    """`auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:n`.

    Raises:
        UsageError: another word, or a device that is not there.
    """
    if flag == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if flag == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", flag)
    if match is None:
        raise UsageError(f"--device {flag}: expected auto, cpu, cuda or cuda:n")
    index = int(match.group(1) or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        found = f"torch {torch.__version__} sees {count} CUDA device{'' if count == 1 else 's'}"
        raise UsageError(
            f"--device {flag}: not there: {found}; use --device cpu, or check the driver with nvidia-smi"
        )
    return torch.device("cuda", index)
