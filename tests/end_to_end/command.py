"""Running `benchbed` as a user does: in this process (quick) or as a process of its own (for signals and stdout)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchbed.cli import run_cli


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


def here(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    """Run a command line in this process."""
    capsys.readouterr()
    code = run_cli([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)


def apart(*arguments: object, path: Path | None = None, **environment: str) -> Answer:
    """Run a command line in a process of its own; `path` is put on PYTHONPATH."""
    answer = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=with_path(path, environment), timeout=300
    )
    return Answer(answer.returncode, answer.stdout, answer.stderr)


def command(*arguments: object) -> list[str]:
    """The process's arguments."""
    return [sys.executable, "-m", "benchbed", *map(str, arguments)]


def with_path(path: Path | None, environment: dict[str, str]) -> dict[str, str]:
    """This process's environment with changes."""
    return {**os.environ, **({"PYTHONPATH": str(path)} if path else {}), **environment}
