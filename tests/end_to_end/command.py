"""Running `benchbed` as a user does: in this process (quick) or as a process of its own (for signals and stdout)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchbed.cli import run_cli

QUICK = """
from benchbed import cost_pass
from benchbed.__main__ import main
cost_pass.MOST_ROUNDS = cost_pass.LEAST_ROUNDS
main()
"""


TALKATIVE = """
from benchbed import progress
from benchbed.__main__ import main
progress.LINE_EVERY_S = 0.0
main()
"""


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


def apart(*arguments: object, path: Path | None = None, quick: bool = False, **environment: str) -> Answer:
    """Run a command line in a process of its own; `path` is put on PYTHONPATH, `quick` times few rounds."""
    made = quick_command(*arguments) if quick else command(*arguments)
    answer = subprocess.run(
        made, capture_output=True, text=True, env=with_path(path, environment), timeout=300
    )
    return Answer(answer.returncode, answer.stdout, answer.stderr)


def command(*arguments: object) -> list[str]:
    """The process's arguments."""
    return [sys.executable, "-m", "benchbed", *map(str, arguments)]


def quick_command(*arguments: object) -> list[str]:
    """The same, timing four rounds instead of forty, as conftest.py has it in the test process."""
    return [sys.executable, "-c", QUICK, *map(str, arguments)]


def talkative_command(*arguments: object) -> list[str]:
    """The same, with a line of progress for every step, not one in ten seconds."""
    return [sys.executable, "-c", TALKATIVE, *map(str, arguments)]


def started(made: list[str], **settings: Any) -> subprocess.Popen[str]:
    """A process whose two streams can be read, and that Ctrl-C stops even where the tests are a shell's background job."""
    return subprocess.Popen(
        made,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        **settings,
    )


def with_path(path: Path | None, environment: dict[str, str]) -> dict[str, str]:
    """This process's environment with changes."""
    return {**os.environ, **({"PYTHONPATH": str(path)} if path else {}), **environment}
