"""One run in several processes: who they are, what they tell each other, and what happens when one of them is lost.

`torchrun --nproc-per-node N -m benchbed run ...` starts N *workers*, on one machine or several. Each counts a share of the
images (`benchbed.sharding_counts`); worker 0 measures cost, writes records and speaks, the others are silent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from benchbed.cost.environment import machine_hash
from benchbed.device import resolve_device
from benchbed.errors import EXIT_INTERRUPTED, EXIT_PARTIAL, BenchError, StoreError, UsageError
from benchbed.failures import Failure, failure
from benchbed.training.processes import PATIENCE, Processes, connected, from_environment

Result = TypeVar("Result")
GO_ON: Final = "what was counted is kept: run the same command to go on, with any number of workers"


class WorkerFailed(BenchError):
    """Another worker could not do its part; the message says which one, where, and why."""

    def __init__(self, message: str, exit_code: int = EXIT_PARTIAL) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WorkerLost(WorkerFailed):
    """A worker ended in the middle of the run, which cannot go on without it (exit code 4)."""


class _Stopped(KeyboardInterrupt):
    """SIGTERM: torchrun sends it to all workers when one of them has ended."""


@dataclass(frozen=True)
class Workers:
    """This process among all of one run.

    Attributes:
        processes: rank, how many there are, and the number on this machine.
        device: where this one computes; messages travel there: by gloo on processors, by nccl on graphics cards.
        waiting: a gloo group on graphics cards, because waiting in nccl keeps a core and the card busy; None otherwise.
        machines: hash of each worker's machine, by rank.
    """

    processes: Processes = field(default_factory=Processes)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    waiting: Any = None
    machines: tuple[str, ...] = ()

    @property
    def world(self) -> int:
        """How many there are."""
        return self.processes.world

    @property
    def rank(self) -> int:
        """This one's number; 0 leads."""
        return self.processes.rank

    @property
    def leads(self) -> bool:
        """Whether this process writes records and speaks."""
        return self.processes.leads

    def facts(self) -> dict[str, Any]:
        """For a record's environment; nothing for a run in one process."""
        if self.world == 1:
            return {}
        return {
            "workers": {
                "count": self.world,
                "machines": list(dict.fromkeys(self.machines)),
                "accuracy": "each image counted by one of them",
                "cost": "measured by worker 0 alone while the others waited idle",
            }
        }

    def tell(self, content: bytes) -> list[bytes]:
        """Every worker's content, by rank; waits for all, idle.

        Raises:
            WorkerLost: one of them has ended.
        """
        if self.world == 1:
            return [content]
        with _noticing_loss():
            if self.waiting is not None:
                dist.barrier(self.waiting)
            mine = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8).to(self.device)
            sizes = self._gathered(torch.tensor([len(content)], device=self.device))
            lengths = [int(each) for each in sizes]
            padded = torch.zeros(max(1, *lengths), dtype=torch.uint8, device=self.device)
            padded[: len(mine)] = mine[: len(padded)]
            texts = self._gathered(padded)
        return [t[:n].cpu().numpy().tobytes() for t, n in zip(texts, lengths, strict=True)]

    def _gathered(self, mine: Tensor) -> list[Tensor]:
        each = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(each, mine)
        return each

    def least(self, values: Tensor) -> Tensor:
        """[n] integers to the least over all workers, the same everywhere."""
        if self.world == 1:
            return values
        moved = values.to(self.device)
        with _noticing_loss():
            dist.all_reduce(moved, dist.ReduceOp.MIN)
        return moved.cpu()

    def together(self, name: str, logs: Path | None, work: Callable[[], Result]) -> Result:
        """Do this in every worker; where one fails, all fail with one sentence that says which and why.

        Args:
            name: what is being done, for a log's file name.
            logs: where the traceback of a mistake goes; None where nothing may be written yet: such a mistake is not caught.
            work: talks to no other worker.

        Raises:
            StoreError, BenchError: as `work` raised it, here or elsewhere.
        """
        if self.world == 1:
            return work()
        result, mine, message = None, None, b""
        try:
            result = work()
        except Exception as error:
            if logs is None and not isinstance(error, BenchError):
                raise
            mine, message = error, _packed(failure(name, error, logs or Path()), error)
        said = self.tell(message)
        first = next((rank for rank, text in enumerate(said) if text), None)
        if first is None:
            return result  # type: ignore[return-value]
        if mine is not None and first == self.rank:
            raise mine
        self._fail_like(said[first], first)

    def _fail_like(self, text: bytes, rank: int) -> NoReturn:
        content = json.loads(text)
        message = content["message"]
        if rank:
            message = f"worker {rank} of {self.world} on {content['host']}: {message}"
        if content["store"]:
            raise StoreError(message)
        raise WorkerFailed(message, content["code"])

    def agree(self, what: str, mine: str) -> None:
        """Make sure that all workers have the same.

        Raises:
            WorkerFailed: one of them has something else, for instance other data on another machine.
        """
        said = self.tell(f"{socket.gethostname()}\n{mine}".encode())
        values = [text.decode().partition("\n")[::2] for text in said]
        for rank, (host, value) in enumerate(values):
            if value != values[0][1]:
                raise WorkerFailed(
                    f"worker {rank} of {self.world} on {host} has another {what} than worker 0 on {values[0][0]} "
                    f"({value} / {values[0][1]}); give every machine the same benchbed, weights, data and threads"
                )


ALONE: Final = Workers()


def _packed(trouble: Failure, error: Exception) -> bytes:
    content = {"message": trouble.message, "code": trouble.exit_code, "store": isinstance(error, StoreError)}
    return json.dumps({**content, "host": socket.gethostname()}).encode()


@contextmanager
def _noticing_loss() -> Iterator[None]:
    """torch.distributed says RuntimeError, in many words, when a peer is gone."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerLost(f"another worker has ended before its part was done; {GO_ON}") from error


@contextmanager
def sharing(device: str) -> Iterator[Workers]:
    """Inside, the processes that torchrun started can talk; `ALONE` without torchrun. Only worker 0 lets errors out.

    Args:
        device: the flag `--device`.

    Raises:
        UsageError: torchrun's variables are half set, or the device does not go with several workers.
        WorkerLost: a worker has ended, or torchrun stopped this one because another has.
    """
    processes = from_environment()
    if processes.world == 1:
        yield ALONE
        return
    chosen = device_of(processes, device)
    with _stopping_cleanly(), _speaking_alone(processes), connected(processes, chosen):
        waiting = dist.new_group(backend="gloo", timeout=PATIENCE) if chosen.type == "cuda" else None
        known = Workers(processes, chosen, waiting)
        machines = tuple(text.decode() for text in known.tell(machine_hash().encode()))
        yield Workers(processes, chosen, waiting, machines)


def device_of(processes: Processes, flag: str) -> torch.device:
    """`--device` of this worker: a graphics card of its own on its machine, or the processor.

    Raises:
        UsageError: a device that is not there, or one card for all.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or processes.world)
    if flag == "cpu" or (flag == "auto" and torch.cuda.device_count() < here):
        return resolve_device("cpu")
    if flag in ("auto", "cuda"):
        return resolve_device(f"cuda:{processes.local}")
    raise UsageError(
        f"--device {flag} with {processes.world} workers: expected auto, cpu or cuda; each takes a card of its own"
    )


@contextmanager
def _speaking_alone(processes: Processes) -> Iterator[None]:
    """What ends the run is said by worker 0; the others end with the same code, silently."""
    try:
        yield
    except _Stopped:
        if processes.leads:
            raise WorkerLost(
                f"stopped by SIGTERM, most likely because another worker ended; {GO_ON}"
            ) from None
        raise SystemExit(EXIT_PARTIAL) from None
    except (BenchError, KeyboardInterrupt) as error:
        if processes.leads:
            raise
        raise SystemExit(getattr(error, "exit_code", EXIT_INTERRUPTED)) from None


@contextmanager
def _stopping_cleanly() -> Iterator[None]:
    """SIGTERM ends the run like Ctrl-C, so that files are closed; a handler that somebody else set stays."""
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
