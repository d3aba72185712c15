"""Where jobs run: what both kinds of place can do, and what a user may ask them for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from benchbed.errors import UsageError
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Job

# A job may be stopped by its time limit and started again so often; each time it goes on where it was.
MOST_TIMEOUTS: Final = 100


@dataclass(frozen=True)
class Resources:
    """What each job gets.

    Attributes:
        minutes: after which it is stopped and started again.
        cpus: of each worker; None for the cluster's default.
        gpus: cards of each node; None for what the machine gives.
        memory_gb: of each node; None for the cluster's default.
        nodes: machines.
        workers: processes on each machine, which share the images.
        slurm: further flags of sbatch, by name.
    """

    minutes: int = 240
    cpus: int | None = None
    gpus: int | None = None
    memory_gb: float | None = None
    nodes: int = 1
    workers: int = 1
    slurm: Mapping[str, str] = field(default_factory=dict)


class Executor(Protocol):
    """A place where jobs run.

    Attributes:
        at_once: how many jobs may be submitted at a time; 0 for any number.
        poll_s: seconds between two looks.
    """

    at_once: int
    poll_s: float

    def submit(self, item: SweepItem, work: SweepJob, times: int) -> Job:
        """Submit a job, for the `times`th time.

        Raises:
            UsageError: it was refused.
        """

    def states(self, jobs: Sequence[Job]) -> dict[str, str] | None:
        """Job id -> a word such as `running`, of those not gone; None where nobody can tell just now."""

    def why_gone(self, job: Job) -> tuple[str, bool]:
        """Why a job ended without an outcome, and whether that calls for submitting it again."""

    def look(self, jobs: Sequence[Job]) -> str:
        """The command that shows these jobs."""

    def cancel(self, jobs: Sequence[Job]) -> str:
        """The command that cancels them."""


def make_executor(name: str, ledger_logs: str, resources: Resources, at_once: int | None) -> Executor:
    """`slurm` or `local`.

    Args:
        name: which.
        ledger_logs: folder for what jobs say; all machines of a cluster must see it.
        resources: of each job.
        at_once: jobs at a time; None for all of a cluster's, one on this machine.

    Raises:
        UsageError: submitit is not installed, or there is no Slurm here.
    """
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"benchbed sweep needs submitit, which cannot be imported ({error}); run: pip install 'benchbed[sweep]'"
        ) from error
    if name == "slurm":
        from benchbed.sweep.slurm import SlurmPlace

        return SlurmPlace(ledger_logs, resources, at_once or 0)
    from benchbed.sweep.local import LocalPlace

    return LocalPlace(ledger_logs, resources, at_once or 1)
