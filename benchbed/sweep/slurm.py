"""Jobs on a Slurm cluster, through submitit. States come from squeue, which needs no accounting database."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from benchbed.errors import UsageError
from benchbed.sweep.executor import MOST_TIMEOUTS, Resources
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Job

PATIENCE_S: Final = 60
# Ends that are nobody's fault; Slurm starts most such jobs again by itself, unless it is set up to cancel them.
_NOT_ITS_FAULT: Final = ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "REVOKED")


class SlurmPlace:
    """A cluster, from a machine that may submit to it."""

    poll_s = 5.0

    def __init__(self, logs: str, resources: Resources, at_once: int) -> None:
        """Raises UsageError where Slurm's commands are not there."""
        missing = [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]
        if missing:
            raise UsageError(
                f"--executor slurm: {', '.join(missing)} not found on this machine; run this where jobs are submitted, "
                "or choose --executor local"
            )
        self.logs = logs
        self.resources = resources
        self.at_once = at_once

    def submit(self, item: SweepItem, work: SweepJob, times: int) -> Job:
        """Submit a job; see `Executor`."""
        import submitit
        from submitit.core.utils import FailedJobError

        executor = submitit.SlurmExecutor(self.logs, max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(**self._parameters(item))
        try:
            job = executor.submit(work)
        except (FailedJobError, subprocess.SubprocessError, OSError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise UsageError(
                f"{item.name}: Slurm refused the job ({reason[-1]}); see --slurm and sinfo"
            ) from error
        first = job.task(0) if self.resources.nodes * self.resources.workers > 1 else job
        return Job("slurm", str(job.job_id), str(first.paths.stderr), times=times)

    def _parameters(self, item: SweepItem) -> dict[str, Any]:
        wanted = self.resources
        asked = {
            "job_name": f"benchbed-{item.key}",
            "time": wanted.minutes,
            "nodes": wanted.nodes,
            "ntasks_per_node": wanted.workers,
            "cpus_per_task": wanted.cpus,
            "gpus_per_node": wanted.gpus,
            "mem": None if wanted.memory_gb is None else f"{int(wanted.memory_gb * 1024)}M",
            "additional_parameters": {"requeue": True, **wanted.slurm},
        }
        return {name: value for name, value in asked.items() if value is not None}

    def states(self, jobs: Sequence[Job]) -> dict[str, str] | None:
        """What squeue says of this user's jobs; None where Slurm does not answer."""
        answer = _ask("squeue", "--noheader", "--me", "--format=%i|%T|%r")
        if answer is None:
            return None
        wanted = {job.id for job in jobs}
        lines = [line.strip().split("|", 2) for line in answer.splitlines() if line.count("|") >= 2]
        return {number: _word(state, reason) for number, state, reason in lines if number in wanted}

    def why_gone(self, job: Job) -> tuple[str, bool]:
        """What scontrol remembers, some minutes long."""
        answer = _ask("scontrol", "show", "job", job.id, "--oneliner") or ""
        found = re.search(r"JobState=(\S+)", answer)
        state = found[1] if found else "unknown: Slurm has forgotten it"
        code = re.search(r"ExitCode=(\S+)", answer)
        return f"Slurm's state {state}{f', exit code {code[1]}' if code else ''}", state in _NOT_ITS_FAULT

    def look(self, jobs: Sequence[Job]) -> str:
        """squeue."""
        return f"squeue --jobs {','.join(job.id for job in jobs)}"

    def cancel(self, jobs: Sequence[Job]) -> str:
        """scancel."""
        return f"scancel {' '.join(job.id for job in jobs)}"


def _word(state: str, reason: str) -> str:
    waits = state == "PENDING" and reason not in ("None", "")
    return f"{state.lower()} ({reason})" if waits else state.lower()


def _ask(*words: str) -> str | None:
    """What one of Slurm's commands says; None where it fails."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
    except (subprocess.SubprocessError, OSError):
        return None
