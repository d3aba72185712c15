"""Jobs as processes of this machine, through submitit; each in a session of its own, so that Ctrl-C here leaves it running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast

import psutil
from submitit.local.local import LocalExecutor, LocalJob

from benchbed.sweep.executor import MOST_TIMEOUTS, Resources
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Job


class LocalPlace:
    """This machine."""

    poll_s = 1.0

    def __init__(self, logs: str, resources: Resources, at_once: int) -> None:
        self.logs = logs
        self.resources = resources
        self.at_once = at_once
        self._started: dict[str, LocalJob[Any]] = {}  # their processes are ours to collect when they end

    def submit(self, item: SweepItem, work: SweepJob, times: int) -> Job:
        """Start a job; see `Executor`."""
        executor = _Detached(self.logs, max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(
            timeout_min=self.resources.minutes,
            tasks_per_node=self.resources.workers,
            gpus_per_node=self.resources.gpus or 0,
        )
        job = cast("LocalJob[Any]", executor.submit(work))
        self._started[job.job_id] = job
        first = job.task(0) if self.resources.workers > 1 else job
        return Job("local", job.job_id, str(first.paths.stderr), _born(job.job_id), times)

    def states(self, jobs: Sequence[Job]) -> dict[str, str] | None:
        """Those whose process lives."""
        for started in self._started.values():
            started.done()  # collects a process that has ended
        return {job.id: "running" for job in jobs if _born(job.id) == job.born != 0.0}

    def why_gone(self, job: Job) -> tuple[str, bool]:
        """Nobody knows of a process that is gone, unless this command started it."""
        started = self._started.get(job.id)
        process = getattr(started, "_process", None)
        code = process.poll() if process is not None else None
        return ("its process is gone" if code is None else f"its process ended with {code}"), False

    def look(self, jobs: Sequence[Job]) -> str:
        """Its log."""
        return f"tail -f {' '.join(job.log for job in jobs)}"

    def cancel(self, jobs: Sequence[Job]) -> str:
        """submitit's controller stops its tasks on SIGINT."""
        return f"kill -INT {' '.join(job.id for job in jobs)}"


class _Detached(LocalExecutor):
    """submitit's local executor, whose jobs a terminal's Ctrl-C or hang-up does not reach."""

    def _submit_command(self, command: str) -> LocalJob[Any]:
        """As submitit 1.5's `start_controller`, in a session of its own; cards stay visible unless some are asked for."""
        tasks, gpus = self.parameters["tasks_per_node"], self.parameters["gpus_per_node"]
        environment = {
            **os.environ,
            "SUBMITIT_LOCAL_NTASKS": str(tasks),
            "SUBMITIT_LOCAL_COMMAND": command,
            "SUBMITIT_LOCAL_TIMEOUT_S": str(60 * self.parameters["timeout_min"]),
            "SUBMITIT_LOCAL_SIGNAL_DELAY_S": "30",
            "SUBMITIT_LOCAL_NODEID": "0",
            "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
            "SUBMITIT_STDERR_TO_STDOUT": "",
            "SUBMITIT_EXECUTOR": "local",
            "SUBMITIT_LOCAL_WITH_SHELL": "",
            **({"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))} if gpus else {}),
        }
        words = [sys.executable, "-m", "submitit.local._local", str(self.folder)]
        process = subprocess.Popen(
            words,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        return LocalJob(self.folder, str(process.pid), tasks=list(range(tasks)), process=process)


def _born(number: str) -> float:
    """When a process began; 0 where it has ended."""
    try:
        process = psutil.Process(int(number))
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, ValueError):
        return 0.0
