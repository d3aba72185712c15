"""What NVML says of a graphics card: clocks, throttling, and who else is on it. Needs the `gpu` extra; else torch's words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

# nvml.h, nvmlClocksEventReasons*: the ones that make a card slower than its clocks promise.
THROTTLE_REASONS: Final = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}


@dataclass(frozen=True)
class GpuState:
    """A card at one moment. Without NVML, only its name and memory are known, and the rest is None or empty.

    Attributes:
        name, driver: as NVML gives them.
        memory_bytes, used_bytes: of the card.
        clock_mhz, highest_clock_mhz: streaming multiprocessors, now and at most.
        foreign_processes: compute processes other than this one.
        throttled: reasons why its clocks are held down now.
    """

    name: str
    driver: str
    memory_bytes: int
    used_bytes: int | None = None
    clock_mhz: int | None = None
    highest_clock_mhz: int | None = None
    foreign_processes: int | None = None
    throttled: tuple[str, ...] = ()


def read_gpu(index: int) -> GpuState | None:
    """The state of torch's CUDA device `index`; None where torch sees no such device."""
    import torch

    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    properties = torch.cuda.get_device_properties(index)
    try:
        return _by_nvml(str(getattr(properties, "uuid", "")), index)
    except Exception:  # NVML is missing, too old for a call, or not allowed here: its facts stay unknown
        return GpuState(properties.name, "", properties.total_memory)


def _by_nvml(uuid: str, index: int) -> GpuState:
    import pynvml

    pynvml.nvmlInit()
    try:
        # CUDA_VISIBLE_DEVICES renumbers torch's devices, not NVML's: only the card's id is the same in both.
        card = (
            pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            if uuid
            else pynvml.nvmlDeviceGetHandleByIndex(index)
        )
        memory = pynvml.nvmlDeviceGetMemoryInfo(card)
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(card)
        return GpuState(
            name=_text(pynvml.nvmlDeviceGetName(card)),
            driver=_text(pynvml.nvmlSystemGetDriverVersion()),
            memory_bytes=int(memory.total),
            used_bytes=int(memory.used),
            clock_mhz=pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_SM),
            highest_clock_mhz=pynvml.nvmlDeviceGetMaxClockInfo(card, pynvml.NVML_CLOCK_SM),
            foreign_processes=_foreign(pynvml.nvmlDeviceGetComputeRunningProcesses(card)),
            throttled=tuple(text for bit, text in THROTTLE_REASONS.items() if reasons & bit),
        )
    finally:
        pynvml.nvmlShutdown()


def _foreign(processes: list[Any]) -> int:
    """Others on the card. In a container NVML may give the host's ids, under which our own process is not found."""
    import torch

    pids = {process.pid for process in processes}
    others = len(pids - {os.getpid()})
    unrecognised = os.getpid() not in pids and torch.cuda.is_initialized()
    return max(0, others - 1) if unrecognised else others


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
