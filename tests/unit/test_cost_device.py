"""Peak of products, energy, memory of a card: on the CPU for real, on a card with made-up CUDA and NVML (never run on one)."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import pytest
import torch

from benchbed.cost import energy
from benchbed.cost.energy import measure_energy
from benchbed.cost.matmul_peak import MatmulPeak, better, measure_matmul_peak
from benchbed.cost.throughput import budget, out_of_memory


def test_the_peak_is_what_the_best_product_gives() -> None:
    peak = measure_matmul_peak("cpu", "fp32", side=192)
    assert peak.flops_per_s == pytest.approx(2 * 192**3 / (min(peak.samples_ms) / 1000))
    assert peak.side == 192
    assert len(peak.samples_ms) >= 1


def test_the_better_of_two_peaks_keeps_all_samples() -> None:
    slow, fast = MatmulPeak(1e9, 8, [2.0]), MatmulPeak(3e9, 8, [1.0])
    assert better(slow, fast).flops_per_s == better(fast, slow).flops_per_s == 3e9
    assert better(slow, fast).samples_ms == [2.0, 1.0]
    assert better(None, slow) is slow


def test_a_cpu_has_no_energy_counter() -> None:
    assert measure_energy(lambda: None, 1, "cpu") is None


class Card:
    """NVML with one card whose counter moves by 2 J a call, and time that moves by 1 s a call."""

    def __init__(self, counts: bool = True, uuid: str = "abc") -> None:
        self.joules = 0
        self.now = 100.0
        self.counts = counts
        self.uuid = uuid
        self.asked: list[str] = []
        self.waits = 0

    def call(self) -> None:
        self.joules += 2
        self.now += 1.0

    def module(self) -> types.ModuleType:
        nvml = types.ModuleType("pynvml")

        def counter(handle: object) -> int:
            if not self.counts:
                raise RuntimeError("Not Supported")
            return 1_000_000 + 1000 * self.joules

        def by_uuid(name: str) -> str:
            self.asked.append(name)
            return "handle"

        nvml.nvmlInit = lambda: None  # type: ignore[attr-defined]
        nvml.nvmlDeviceGetHandleByUUID = by_uuid  # type: ignore[attr-defined]
        nvml.nvmlDeviceGetHandleByIndex = lambda index: by_uuid(str(index))  # type: ignore[attr-defined]
        nvml.nvmlDeviceGetTotalEnergyConsumption = counter  # type: ignore[attr-defined]
        return nvml

    def wait(self, device: object) -> None:
        self.waits += 1


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[Card], None]:
    def plugged(card: Card) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", card.module())
        monkeypatch.setattr(torch.cuda, "synchronize", card.wait)
        properties = types.SimpleNamespace(uuid=card.uuid)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
        monkeypatch.setattr(energy.time, "monotonic", lambda: card.now)

    return plugged


def test_joules_are_the_counter_s_difference_over_all_images(plug: Callable[[Card], None]) -> None:
    card = Card()
    plug(card)
    found = measure_energy(card.call, 4, "cuda:0")
    assert found is not None
    assert (found.joules, found.images, found.seconds) == (
        6.0,
        12,
        3.0,
    )  # three calls of a second, 4 images each
    assert card.asked == ["GPU-abc"]
    assert "idle power included" in found.how


def test_a_card_without_a_counter_or_nvml_gives_none(
    plug: Callable[[Card], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card(counts=False)
    plug(card)
    assert measure_energy(card.call, 1, "cuda:0") is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert measure_energy(card.call, 1, "cuda:0") is None
    assert card.joules == 0


def test_an_old_torch_without_ids_asks_by_number(plug: Callable[[Card], None]) -> None:
    card = Card(uuid="")
    plug(card)
    assert measure_energy(card.call, 1, "cuda:1") is not None
    assert card.asked == ["1"]


def test_what_a_subject_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget(torch.device("cpu"), 123) == 123
    assert 0 < budget(torch.device("cpu"), None) < 2**50
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 500)
    assert budget(torch.device("cuda", 0), None) == 950 + 500


@pytest.mark.parametrize(
    ("error", "ran_out"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (torch.cuda.OutOfMemoryError("CUDA"), True),
        (RuntimeError("shapes do not match"), False),
        (KeyError("memory"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_mistakes(error: Exception, ran_out: bool) -> None:
    assert out_of_memory(error) is ran_out
