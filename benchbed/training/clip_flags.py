"""What a person asks of `benchbed train --clip`. Free of torch."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClipFlags:
    """The flags of `benchbed train --clip`, one field each; None means the recipe's own number."""

    clip: str
    out: Path | None = None
    resume: bool = False
    seed: int = 0
    device: str = "auto"
    iterations: int | None = None
    val_every: int | None = None
    save_every: int | None = None

    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["benchbed", "train"]
        for name, value in vars(self).items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words += [flag] if value and name != "resume" else []
            elif value is not None and name != "out":
                words += [flag, str(value)]
        return shlex.join(words)
