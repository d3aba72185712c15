"""What a person asks of `benchbed train`. Free of torch."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainRequest:
    """What a person asked for, one field a flag of `benchbed train`."""

    method: str
    dataset: str
    data_root: Path | None = None
    out: Path | None = None
    resume: bool = False
    amp: bool = False
    seed: int = 0
    device: str = "auto"
    iterations: int | None = None
    val_every: int | None = None
    val_limit: int | None = None
    save_every: int | None = None
    workers: int | None = None
    init: str = ""

    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["benchbed", "train"]
        for name, value in vars(self).items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words += [flag] if value and name != "resume" else []
            elif value not in (None, ""):
                words += [flag, str(value)]
        return shlex.join(words)
