"""What a job does when its time has come: one `benchbed run`, and a file that says how it went.

submitit calls it, perhaps several times: after a preemption or at the time limit the same job starts again, and the run goes on
from what its journal holds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchbed.errors import EXIT_INTERRUPTED, EXIT_PARTIAL, BenchError
from benchbed.record_store import write_whole


@dataclass(frozen=True)
class SweepJob:
    """Callable by submitit.

    Attributes:
        arguments: of `benchbed`, complete.
        outcome: the file to write at the end.
    """

    arguments: tuple[str, ...]
    outcome: Path

    def __call__(self) -> int:
        """Run; returns the exit code. Leaves no outcome where it was stopped: it is not at its end then."""
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see benchbed.__main__
        _become_worker()
        content = run_quietly(self.arguments)
        if os.environ.get("RANK", "0") == "0":
            write_whole(self.outcome, json.dumps(content, indent=1).encode() + b"\n")
        return int(content["code"])

    def checkpoint(self) -> Any:
        """For submitit, when the job must make room: the same again, and the journal does the rest."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _become_worker() -> None:
    """Where the job has several tasks, each is a worker of one run; `benchbed.sharding` reads these variables."""
    from submitit import JobEnvironment
    from submitit.helpers import TorchDistributedEnvironment

    if JobEnvironment().num_tasks > 1:
        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        os.environ.setdefault("OMP_NUM_THREADS", os.environ.get("SLURM_CPUS_PER_TASK", "1"))


def run_quietly(arguments: tuple[str, ...]) -> dict[str, Any]:
    """One command line in this process.

    Returns:
        `code`, `records` (paths) and `failures` (sentences).
    """
    from benchbed.cli import main

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            code = main.main(args=[*arguments, "--json"], prog_name="benchbed", standalone_mode=False)
    except BenchError as error:
        return _failed(str(error), error.exit_code)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except click.Abort:  # what click makes of KeyboardInterrupt
        return _failed("cancelled; what was measured is kept", EXIT_INTERRUPTED)
    except Exception as error:
        _failed_loudly()
        return _failed(f"{type(error).__name__}: {error} (a mistake in benchbed; traceback in the job's log)")
    return {"code": code or 0, **_content(said.getvalue())}


def _content(said: str) -> dict[str, Any]:
    """Records and failures of a run's JSON; a worker that does not lead says nothing."""
    content: Mapping[str, Any] = json.loads(said) if said else {"records": [], "failures": []}
    return {
        "records": [record["path"] for record in content["records"]],
        "failures": [failure["message"] for failure in content["failures"]],
    }


def _failed(message: str, code: int = EXIT_PARTIAL) -> dict[str, Any]:
    return {"code": code, "records": [], "failures": [message]}


def _failed_loudly() -> None:
    import traceback

    traceback.print_exc()
