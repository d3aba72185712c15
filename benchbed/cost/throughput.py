"""Images a second with the largest batch that fits the memory there is; steps that ran out of memory are part of the result."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import psutil
import torch

from benchbed.cost.contestant import Contestant
from benchbed.cost.interleaved import time_interleaved
from benchbed.cost.largest_batch import Search, Step, find_largest, predicted_peak
from benchbed.cost.memory import measure_peak, weights_bytes
from benchbed.cost.stopping import Stopping
from benchbed.cost.timed_pass import TimedPass

SHARE_OF_FREE: Final = (
    0.5  # of a processor's free memory: the other half is for what measuring needs and for neighbours
)
CARD_SHARE: Final = 0.95  # of a card's free memory: fragments and cuDNN's workspaces take the rest
QUEUED: Final = 4  # batches that a card is given at once, so that it never waits for the host
MIB: Final = 2**20


@dataclass
class Throughput:
    """What came out for one subject.

    Attributes:
        search: all batches that were tried.
        batch_ms: samples of `batches` batches in a row at the largest batch, ms; empty where nothing fits.
        batches: how many batches a sample holds.
        budget_bytes: what weights and activations were allowed.
    """

    search: Search
    budget_bytes: int
    batch_ms: list[float] = field(default_factory=list)
    batches: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {
            "steps": [step.as_dict() for step in self.search.steps],
            "largest_batch": self.search.largest,
            "limit": self.search.limit,
            "budget_bytes": self.budget_bytes,
            "batch": self.search.largest,
            "batches": self.batches,
            "batch_ms": self.batch_ms,
            "unit": "ms",
        }


def budget(device: torch.device, given: int | None) -> int:
    """Bytes that one subject may take: what was given, else half of the free memory, or 95 % of the card's."""
    if given is not None:
        return given
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(CARD_SHARE * free) + torch.cuda.memory_allocated(device)
    return int(SHARE_OF_FREE * psutil.virtual_memory().available)


def measure_throughput(
    contestants: Sequence[Contestant], device: torch.device, budget_bytes: int, stopping: Stopping
) -> tuple[dict[str, Throughput], dict[str, Exception]]:
    """Search each subject's largest batch, then time all of them interleaved.

    Args:
        contestants: whose base pass was run before.
        device: where they are.
        budget_bytes: of one subject.
        stopping: its seconds are shared out: half to the searches, half to the rounds.

    Returns:
        what was found, and what went wrong, by key.
    """
    seconds = stopping.seconds / 2
    found: dict[str, Throughput] = {}
    broken: dict[str, Exception] = {}
    for each in contestants:
        attempts = _Attempts(each, device, budget_bytes, seconds / len(contestants))
        try:
            found[each.key] = Throughput(find_largest(attempts.run), budget_bytes)
        except Exception as error:
            broken[each.key] = error
    batches = QUEUED if device.type == "cuda" else 1
    passes = {
        each.key: replace(each.base, batch=found[each.key].search.largest)
        for each in contestants
        if each.key in found and found[each.key].search.largest
    }
    run = time_interleaved(
        {key: _Row(each, batches) for key, each in passes.items()}, device, replace(stopping, seconds=seconds)
    )
    for key, samples in run.samples.items():
        found[key].batch_ms, found[key].batches = samples.total_ms, batches
    return found, {**broken, **run.broken}


class _Row:
    """Several batches one after the other, without a wait in between; only the last label maps are kept."""

    def __init__(self, timed: TimedPass, batches: int) -> None:
        self.timed = timed
        self.batches = batches

    def __call__(self, index: int) -> None:
        for _ in range(self.batches):
            self.timed(index)


class _Attempts:
    """Runs one batch after another under a budget of bytes and of seconds."""

    def __init__(
        self, contestant: Contestant, device: torch.device, budget_bytes: int, seconds: float
    ) -> None:
        self.contestant = contestant
        self.device = device
        self.budget = budget_bytes
        self.ends = time.monotonic() + seconds
        self.weights = weights_bytes(contestant.segmenter)
        self.steps: list[Step] = []

    def run(self, batch: int) -> Step:
        """Try a batch, unless what is known already says that it cannot fit; keeps the step."""
        step = self._refused(batch) or self._measured(batch)
        self.steps.append(step)
        return step

    def _refused(self, batch: int) -> Step | None:
        needed = next((s.ms / s.batch for s in reversed(self.steps) if s.ms), 0.0) * batch / 1000
        if self.steps and time.monotonic() + needed > self.ends:
            why = f"batch {batch} would take about {needed:.1f} s: no time left; give more with --seconds"
            return Step(batch, False, why=why)
        if self.device.type == "cuda":
            return None  # a card says so itself, and nobody else suffers
        peak = predicted_peak(self.steps, batch, self.weights)
        if peak is not None and peak > self.budget:
            why = f"batch {batch}: out of memory: about {peak / MIB:,.0f} MiB of {self.budget / MIB:,.0f} MiB allowed"
            return Step(batch, False, why=why, out_of_memory=True)
        return None

    def _measured(self, batch: int) -> Step:
        timed = replace(self.contestant.base, batch=batch)
        took: list[float] = []

        def call() -> None:
            begin = time.monotonic()
            timed(0)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            took.append(1000 * (time.monotonic() - begin))

        try:
            found = measure_peak(call, self.contestant.segmenter, self.device)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self._let_go()
            why = f"batch {batch}: out of memory: {(str(error).splitlines() or ['no words'])[0][:160]}"
            return Step(batch, False, why=why, out_of_memory=True)
        ms = took[0]
        peak = found.total_bytes + self.weights
        if peak > self.budget:
            why = (
                f"batch {batch}: out of memory: {peak / MIB:,.0f} MiB of {self.budget / MIB:,.0f} MiB allowed"
            )
            return Step(batch, False, peak, ms, why, out_of_memory=True)
        return Step(batch, True, peak, ms)

    def _let_go(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a card or on the host."""
    words = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or (
        "out of memory" in words or "can't allocate memory" in words or "cannot allocate memory" in words
    )
