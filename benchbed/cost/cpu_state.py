"""What the kernel says of the processor: name, clocks, and how much others use it now."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Final

import psutil

OBSERVED_S: Final = 0.3  # how long others' use of the processor is watched
CPUINFO: Final = Path("/proc/cpuinfo")
GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def others_busy_cores(seconds: float = OBSERVED_S) -> float:
    """Cores' worth of work that other processes of this machine do, watched for `seconds` of sleep."""
    before, own_before, start = _busy_seconds(), time.process_time(), time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    busy = _busy_seconds() - before - (time.process_time() - own_before)
    return round(max(0.0, busy / elapsed), 2)


def _busy_seconds() -> float:
    """Seconds of all cores since boot that went to work, stolen ones (another virtual machine's) included."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user time already
    return float(sum(times) - idle - guests)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpuinfo(key: str) -> list[str]:
    if not CPUINFO.is_file():
        return []
    pairs = (line.partition(":") for line in CPUINFO.read_text().splitlines())
    return [value.strip() for name, _, value in pairs if name.strip() == key]


def cpu_name() -> str:
    """The processor's name."""
    return next(iter(_cpuinfo("model name")), "") or platform.processor() or platform.machine()


def clock_mhz() -> float | None:
    """The mean clock of all cores now; None where the kernel does not say."""
    clocks = [float(value) for value in _cpuinfo("cpu MHz")]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def governor() -> str:
    """The kernel's rule for clocks, such as `performance`; "" where it has none (most virtual machines)."""
    return GOVERNOR.read_text().strip() if GOVERNOR.is_file() else ""
