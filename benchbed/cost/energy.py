"""Joules by NVML's energy counter, where there is a card that has one. Idle power is in them, as in an electricity bill."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

Call = Callable[[], object]

# The counter moves every 20 to 100 ms, by the card: over 3 s that is an error of 3 % at most.
LEAST_S: Final = 3.0
MOST_CALLS: Final = 10_000
HOW: Final = "nvmlDeviceGetTotalEnergyConsumption before and after back-to-back calls; the whole card, idle power included"


@dataclass(frozen=True)
class Energy:
    """Energy of `images` images.

    Attributes:
        joules: of all of them together.
        images: how many.
        seconds: how long that took.
        how: what was read.
    """

    joules: float
    images: int
    seconds: float
    how: str = HOW

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def measure_energy(call: Call, images: int, device: torch.device | str) -> Energy | None:
    """Run `call` back to back for about 3 s and read the counter around it.

    Args:
        call: a warmed-up forward pass.
        images: how many images a call takes.
        device: None is the answer for every device but a CUDA card with NVML and an energy counter.
    """
    if not str(device).startswith("cuda"):
        return None
    meter = _open_meter(str(device))
    return _measure(call, images, str(device), meter) if meter is not None else None


def _measure(call: Call, images: int, device: str, millijoules: Callable[[], int]) -> Energy:
    import torch

    torch.cuda.synchronize(device)
    begin, before = time.monotonic(), millijoules()
    calls = 0
    while calls < MOST_CALLS and time.monotonic() - begin < LEAST_S:
        call()
        calls += 1
        # Without a wait the host would queue for seconds before the card has done anything; once a call is often enough.
        torch.cuda.synchronize(device)
    return Energy((millijoules() - before) / 1000, calls * images, time.monotonic() - begin)


def _open_meter(device: str) -> Callable[[], int] | None:
    """A function that gives the card's energy counter in mJ; None without NVML, or on a card without the counter."""
    import torch

    try:
        import pynvml

        pynvml.nvmlInit()
        index = torch.device(device).index or 0
        uuid = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
        # CUDA_VISIBLE_DEVICES renumbers torch's devices, not NVML's: only the card's id is the same in both.
        card = (
            pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            if uuid
            else pynvml.nvmlDeviceGetHandleByIndex(index)
        )
        pynvml.nvmlDeviceGetTotalEnergyConsumption(card)  # Volta and newer; else it raises
    except Exception:  # no NVML, no right to it, or no counter: there is no energy to report
        return None
    return lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(card))
