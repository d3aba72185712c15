"""Raw times of several callables, interleaved in one run, with their stages timed in the very same calls.

Rounds alternate in order (A B C, then C B A), so that a drift of the machine (heat, a neighbour) falls on all alike.
On CUDA, time is taken by events that are only read after the call, so nothing inside a sample waits for the device.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchbed.cost.stage_marks import StageMarks

if TYPE_CHECKING:
    import torch

NS_PER_MS: Final = 1e6

Call = Callable[[int], object]
Progress = Callable[[int], object]
Enough = Callable[["dict[str, LatencySamples]"], bool]


@dataclass
class LatencySamples:
    """What the clock said of one callable, in milliseconds; plain values, ready for a record.

    Attributes:
        total_ms: one entry a round.
        stage_ms: by stage, one entry a round (0.0 where the stage did not run); a stage's time excludes the stages
            nested in it, `unaccounted` is the rest, and the sum over stages is `total_ms`.
        first_call_ms: the very first call, cold: lazy initialisation, kernel choice, page faults.
        image_index: what the call of that round was given.
    """

    total_ms: list[float] = field(default_factory=list)
    stage_ms: dict[str, list[float]] = field(default_factory=dict)
    first_call_ms: float = 0.0
    image_index: list[int] = field(default_factory=list)

    def add(self, ledger: Mapping[str, float], image: int) -> None:
        """Append one round's stage times (ms)."""
        rounds = len(self.total_ms)
        for name in ledger:
            self.stage_ms.setdefault(name, [0.0] * rounds)
        for name, times in self.stage_ms.items():
            times.append(ledger.get(name, 0.0))
        self.total_ms.append(sum(ledger.values()))
        self.image_index.append(image)

    def first(self, rounds: int) -> LatencySamples:
        """The same of the first rounds alone."""
        stages = {name: times[:rounds] for name, times in self.stage_ms.items()}
        return LatencySamples(self.total_ms[:rounds], stages, self.first_call_ms, self.image_index[:rounds])


def round_order(names: Sequence[str], index: int) -> list[str]:
    """Who comes when in round `index`: the given order in even rounds, the reverse in odd ones."""
    return list(names) if index % 2 == 0 else list(reversed(names))


def round_image(index: int) -> int:
    """The sample image of round `index`: two rounds an image, so that each is seen in both orders."""
    return index // 2


def measure_latency(
    calls: Mapping[str, Call],
    rounds: int,
    warmup: int,
    device: torch.device | str,
    on_progress: Progress | None = None,
    deadline_s: float | None = None,
    least_rounds: int = 1,
    enough: Enough | None = None,
    begun: dict[str, LatencySamples] | None = None,
) -> dict[str, LatencySamples]:
    """Time each callable once a round.

    Args:
        calls: by name; `call(i)` runs on sample image i (modulo however many there are) and leaves no work queued on
            another stream. Warm-up uses image 0.
        rounds: how many rounds at most.
        warmup: untimed calls of each before the rounds, after the cold first one.
        device: where the work runs; decides the clock.
        on_progress: told the number of finished rounds.
        deadline_s: no round begins that would, at the slowest pace so far, end later than this many seconds after the
            start of the function; `least_rounds` are always measured.
        least_rounds: rounds that are measured whatever the deadline; an interval needs several.
        enough: asked after every second round, when each image was seen in both orders; the last round where it says so.
        begun: what `cold_calls` gave for these very calls, which are then not cold any more; they are filled further.

    Returns:
        Samples by name, all with the same number of rounds, index by index from the same round and image.

    Raises:
        ValueError: nothing to call, or fewer than one round.
    """
    if not calls or rounds < 1:
        raise ValueError(f"at least one call and one round expected, found {len(calls)} and {rounds}")
    start = time.monotonic()
    timed = _clock(str(device))
    samples = cold_calls(calls, device) if begun is None else begun
    for name in list(calls) * warmup:
        if deadline_s is None or time.monotonic() - start < deadline_s:
            timed(calls[name], 0)
    slowest = 0.0
    for index in range(rounds):
        round_start = time.monotonic()
        late = deadline_s is not None and round_start - start + slowest > deadline_s
        if index >= least_rounds and late:
            break
        _one_round(calls, index, timed, samples)
        slowest = max(slowest, time.monotonic() - round_start)
        if on_progress is not None:
            on_progress(index + 1)
        if enough is not None and index % 2 == 1 and enough(samples):
            break
    return samples


def cold_calls(calls: Mapping[str, Call], device: torch.device | str) -> dict[str, LatencySamples]:
    """The very first call of each, on image 0: samples without rounds yet."""
    timed = _clock(str(device))
    return {name: LatencySamples(first_call_ms=_total(timed(call, 0))) for name, call in calls.items()}


def _one_round(
    calls: Mapping[str, Call], index: int, timed: _Timed, samples: dict[str, LatencySamples]
) -> None:
    image = round_image(index)
    for name in round_order(list(calls), index):
        samples[name].add(timed(calls[name], image), image)


_Timed = Callable[[Call, int], dict[str, float]]


def _clock(device: str) -> _Timed:
    """A function that runs a call and gives its ledger of stage times in ms, `unaccounted` included."""
    return _cuda_clock(device) if device.startswith("cuda") else _cpu_timed


def _cpu_timed(call: Call, image: int) -> dict[str, float]:
    marks = StageMarks(time.perf_counter_ns)
    with _no_collection(), marks.running():
        call(image)
    return marks.ledger(lambda begin, end: (end - begin) / NS_PER_MS)


def _cuda_clock(device: str) -> _Timed:
    import torch

    def take() -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(device))
        return event

    def timed(call: Call, image: int) -> dict[str, float]:
        marks = StageMarks(take)
        torch.cuda.synchronize(device)
        with _no_collection(), marks.running():
            call(image)
        torch.cuda.synchronize(device)
        return marks.ledger(lambda begin, end: float(begin.elapsed_time(end)))

    return timed


def _total(ledger: Mapping[str, float]) -> float:
    return sum(ledger.values())


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's garbage collector stays out of a sample: a full pass over torch's objects takes 0.1 s and more."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
