"""Peak memory of one call, whole and by stage. Run it apart from the clock, after the call has been warmed up."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from benchbed.cost.resident_set import SampledPeak, WatermarkPeak
from benchbed.cost.stage_marks import StageMarks
from benchbed.stages import UNACCOUNTED

if TYPE_CHECKING:
    import torch
    from torch import nn

Call = Callable[[], object]
M_MMAP_THRESHOLD: Final = -3  # glibc's malloc.h
MEASURING_MMAP_FROM: Final = 64 * 2**10  # blocks of activations are larger
USUAL_MMAP_FROM: Final = 32 * 2**20  # glibc's own upper limit, where its threshold drifts to in a run
CUDA_METHOD: Final = "torch.cuda.max_memory_allocated, above what was allocated before the call"


@dataclass(frozen=True)
class PeakMemory:
    """How much memory a call took at its worst moment.

    Attributes:
        total_bytes: the highest level during the call, above the level before it; weights are not in it.
        per_stage: the highest level during each stage, above the same base (what earlier stages left behind is in
            it); a nested stage's moments are its own; `unaccounted` is the rest. Peaks do not add up.
        weights_bytes: parameters and buffers, each storage once.
        how: what was read. A resident set counts memory touched, so what the allocator kept from earlier calls and uses
            again is missed; glibc is told to keep nothing of 64 KiB or more meanwhile.
    """

    total_bytes: int
    per_stage: dict[str, int]
    weights_bytes: int
    how: str


class PeakMeter(Protocol):
    """Reads the highest level since it was last asked, in bytes."""

    how: str

    def level(self) -> int:
        """The level now."""

    def peak(self) -> int:
        """The highest level since the last call of `peak`, which begins a new count."""

    def close(self) -> None:
        """Stop whatever runs beside."""


def measure_peak(call: Call, module: nn.Module, device: torch.device | str) -> PeakMemory:
    """Run `call` once and see how high memory rises.

    Args:
        call: a forward pass that was run before, so that lazy initialisation is behind it.
        module: whose weights are counted apart.
        device: `cpu` measures this process's resident set, `cuda` torch's allocator.
    """
    with _meter(str(device)) as meter:
        base = meter.level()
        marks = StageMarks(meter.peak)
        with marks.running():
            call()
    peaks: dict[str, int] = {UNACCOUNTED: 0}
    for owner, _, peak in marks.spans():
        peaks[owner] = max(peaks.get(owner, 0), peak - base)
    rest = peaks.pop(UNACCOUNTED)
    return PeakMemory(
        max(rest, *peaks.values(), 0), {**peaks, UNACCOUNTED: rest}, weights_bytes(module), meter.how
    )


def weights_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers; storage shared by several is counted once."""
    tensors = [*module.parameters(), *module.buffers()]
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


@contextmanager
def _meter(device: str) -> Iterator[PeakMeter]:
    gc.collect()
    meter: PeakMeter
    if device.startswith("cuda"):
        meter = _CudaPeak(device)
    else:
        _return_at_once(ctypes.CDLL(None), MEASURING_MMAP_FROM)
        meter = WatermarkPeak() if WatermarkPeak.works() else SampledPeak()
    try:
        yield meter
    finally:
        meter.close()
        if not device.startswith("cuda"):
            _return_at_once(ctypes.CDLL(None), USUAL_MMAP_FROM)


class _CudaPeak:
    """torch's caching allocator. Its counters move on the host when memory is asked for, so no wait is needed."""

    how = CUDA_METHOD

    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.cuda
        self._device = device
        self._cuda.synchronize(device)

    def level(self) -> int:
        return int(self._cuda.memory_allocated(self._device))

    def peak(self) -> int:
        highest = int(self._cuda.max_memory_allocated(self._device))
        self._cuda.reset_peak_memory_stats(self._device)
        return highest

    def close(self) -> None:
        self._cuda.synchronize(self._device)


def _return_at_once(allocator: ctypes.CDLL, bytes_from: int) -> None:
    """Let glibc give blocks from this size on straight back to the kernel, and give back now what it keeps.

    Without it, what the process did before decides: a call that reuses kept blocks seems to need none, and a stage seems
    to hold what an earlier one freed. Other allocators have no such switch and are left alone.
    """
    if hasattr(allocator, "mallopt") and hasattr(allocator, "malloc_trim"):
        allocator.mallopt(M_MMAP_THRESHOLD, bytes_from)
        allocator.malloc_trim(0)
