"""One training in several processes: what torchrun says of them, and the few things they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from benchbed.device import resolve_device
from benchbed.errors import UsageError

# The others wait while process 0 validates or writes.
PATIENCE: Final = timedelta(hours=4)


@dataclass(frozen=True)
class Processes:
    """This process among all of one training.

    Attributes:
        rank: 0 writes and reports, the others compute.
        world: how many there are.
        local: number on this machine, which chooses the graphics card.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """[n] of this process to the mean over all, the same everywhere."""
        if self.world > 1:
            dist.all_reduce(values)
            values = values / self.world
        return values

    def meet(self) -> None:
        """Wait for all others."""
        if self.world > 1:
            dist.barrier()


def from_environment() -> Processes:
    """What torchrun set; one process without it.

    Raises:
        UsageError: half set or malformed.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    given = [os.environ.get(name, "") for name in names]
    if not given[1] or given[1] == "1":
        return Processes()
    if not all(text.isdigit() for text in given):
        found = ", ".join(f"{name}={text!r}" for name, text in zip(names, given, strict=True))
        raise UsageError(
            f"{found}: expected three numbers, as torchrun sets them; start with torchrun or unset WORLD_SIZE"
        )
    return Processes(*map(int, given))


def device_of(processes: Processes, flag: str) -> torch.device:
    """`--device` of this process: one graphics card each.

    Raises:
        UsageError: a device that is not there, or one card for all.
    """
    if processes.world == 1 or flag == "cpu":
        return resolve_device(flag)
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or processes.world)  # of this machine's processes
    if flag == "auto" and torch.cuda.device_count() < here:
        return resolve_device("cpu")
    if flag in ("auto", "cuda"):
        return resolve_device(f"cuda:{processes.local}")
    raise UsageError(
        f"--device {flag} with {processes.world} processes: expected auto, cpu or cuda; each takes a card of its own"
    )


@contextmanager
def connected(processes: Processes, device: torch.device) -> Iterator[None]:
    """Inside, the processes can talk: by gloo on processors, by nccl on graphics cards.

    mmengine's own start-up calls CUDA even for gloo and fails without a driver, so the group is made here and mmengine finds it.
    """
    if processes.world == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()
