"""The highest resident set of this process between two moments: by the kernel's watermark, else by sampling."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import psutil

CLEAR_REFS: Final = Path("/proc/self/clear_refs")
STATUS: Final = Path("/proc/self/status")
RESET_WATERMARK: Final = "5"  # proc(5), /proc/pid/clear_refs: reset the peak resident set to the current one
SAMPLE_EVERY_S: Final = 0.005


class WatermarkPeak:
    """Linux keeps the highest resident set itself (VmHWM) and lets a process reset it: exact, at no cost."""

    how = "resident set (VmHWM of /proc/self/status, reset before), above its level before the call"

    @staticmethod
    def works() -> bool:
        """Whether this kernel lets the watermark be read and reset."""
        try:
            CLEAR_REFS.write_text(RESET_WATERMARK)
            return _status_bytes("VmHWM") > 0
        except (OSError, KeyError):
            return False

    def level(self) -> int:
        """The resident set now, bytes."""
        return _status_bytes("VmRSS")

    def peak(self) -> int:
        """The highest resident set since the last call, bytes."""
        highest = _status_bytes("VmHWM")
        CLEAR_REFS.write_text(RESET_WATERMARK)
        return highest

    def close(self) -> None:
        """Nothing runs beside."""


class SampledPeak:
    """Reads the resident set every 5 ms from a thread; a shorter peak is missed."""

    how = "resident set sampled every 5 ms, above its level before the call"

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._highest = self.level()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="benchbed memory", daemon=True)
        self._thread.start()

    def level(self) -> int:
        """The resident set now, bytes."""
        return int(self._process.memory_info().rss)

    def peak(self) -> int:
        """The highest sample since the last call, this moment included, bytes."""
        now = self.level()
        highest = max(self._highest, now)
        self._highest = now
        return highest

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            self._highest = max(self._highest, self.level())


def _status_bytes(field: str) -> int:
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)
