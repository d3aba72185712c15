"""The environment of a record, and the warnings it gives reason for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import types
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from benchbed.cost import cpu_state
from benchbed.cost.checkout import find_checkout
from benchbed.cost.environment import Environment, capture, machine_hash, noise_warnings
from benchbed.cost.gpu_state import GpuState, read_gpu

QUIET_GPU = GpuState("Card", "550.1", 80 * 2**30, 2**30, 1900, 1980, foreign_processes=0)


@pytest.fixture(scope="module")
def here() -> Environment:
    return capture("cpu")


@pytest.fixture
def quiet(here: Environment) -> Environment:
    return replace(
        here, others_busy_cores=0.0, omp_wait_policy="PASSIVE", cores=4, threads=2, governor="performance"
    )


def test_what_is_captured_is_true_and_plain(here: Environment) -> None:
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert here.versions["torch"] == torch.__version__.split("+")[0]
    assert {"numpy", "fvcore", "open_clip", "mmsegmentation"} <= set(here.versions)
    assert here.threads == torch.get_num_threads()
    assert here.omp_wait_policy == os.environ.get("OMP_WAIT_POLICY", "")
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert here.memory_bytes > 2**28
    assert here.torch_settings["mha_fastpath"] is True
    assert here.torch_settings["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert here.gpu is None
    plain = json.loads(json.dumps(asdict(here), allow_nan=False))
    assert plain["others_busy_cores"] == here.others_busy_cores


def test_the_machine_is_told_apart_but_not_named(here: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here.machine == machine_hash()
    assert len(here.machine) == 12
    assert socket.gethostname() not in json.dumps(asdict(here))
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert machine_hash() != here.machine


def test_a_quiet_machine_gives_no_warning(quiet: Environment) -> None:
    assert noise_warnings(quiet) == []
    assert noise_warnings(replace(quiet, device="cuda:0", gpu=QUIET_GPU)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"others_busy_cores": 2.1}, ["2.1 of 4 cores", "stop them"]),
        (
            {"omp_wait_policy": ""},
            ["OMP_WAIT_POLICY is not set with 2 threads", "set OMP_WAIT_POLICY=PASSIVE"],
        ),
        ({"omp_wait_policy": "ACTIVE"}, ["OMP_WAIT_POLICY is ACTIVE"]),
        ({"threads": 9}, ["9 torch threads on 4 usable cores", "set OMP_NUM_THREADS=4"]),
        ({"governor": "powersave"}, ["governor is powersave", "cpupower"]),
        (
            {"gpu": replace(QUIET_GPU, foreign_processes=1)},
            ["1 other process on the card", "--device cuda:n"],
        ),
        ({"gpu": replace(QUIET_GPU, foreign_processes=3)}, ["3 other processes"]),
        (
            {"gpu": replace(QUIET_GPU, throttled=("hardware thermal slowdown",))},
            ["hardware thermal slowdown", "cool"],
        ),
        ({"gpu": GpuState("Card", "", 1)}, ["unknown without NVML", "pip install benchbed[gpu]"]),
    ],
)
def test_each_disturbance_gives_one_warning_with_what_to_do(
    quiet: Environment, change: dict[str, object], words: list[str]
) -> None:
    warnings = noise_warnings(replace(quiet, **change))  # type: ignore[arg-type]
    assert len(warnings) == 1
    assert all(word in warnings[0] for word in words)


@pytest.mark.parametrize(
    "change",
    [{"others_busy_cores": 1.9}, {"omp_wait_policy": "", "threads": 1}, {"omp_wait_policy": "passive"}],
)
def test_what_does_not_disturb_is_not_complained_of(quiet: Environment, change: dict[str, object]) -> None:
    assert noise_warnings(replace(quiet, **change)) == []  # type: ignore[arg-type]


def test_spinning_threads_do_not_matter_on_a_gpu(quiet: Environment) -> None:
    assert noise_warnings(replace(quiet, omp_wait_policy="", device="cuda", gpu=QUIET_GPU)) == []


def test_others_work_is_all_work_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, own, now = iter([100.0, 101.5]), iter([10.0, 10.5]), iter([0.0, 0.5])
    monkeypatch.setattr(cpu_state, "_busy_seconds", lambda: next(busy))
    monkeypatch.setattr(cpu_state.time, "process_time", lambda: next(own))
    monkeypatch.setattr(cpu_state.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(cpu_state.time, "sleep", lambda seconds: None)
    assert cpu_state.others_busy_cores(0.5) == 2.0


def test_what_the_kernel_does_not_say_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cpu_state, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(cpu_state, "GOVERNOR", tmp_path / "none")
    assert cpu_state.clock_mhz() is None
    assert cpu_state.governor() == ""
    assert cpu_state.cpu_name()
    (tmp_path / "cpuinfo").write_text("model name\t: Fast One\ncpu MHz\t\t: 2000.0\n\ncpu MHz\t\t: 3000.0\n")
    monkeypatch.setattr(cpu_state, "CPUINFO", tmp_path / "cpuinfo")
    assert cpu_state.cpu_name() == "Fast One"
    assert cpu_state.clock_mhz() == 2500.0


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_checkout_around_a_package(tmp_path: Path) -> None:
    package = tmp_path / "bench"
    package.mkdir()
    (package / "a.py").write_text("1\n")
    assert find_checkout(package) is None
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    clean = find_checkout(package)
    assert clean is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    (tmp_path / "notes.txt").write_text("outside the package, untracked: no matter\n")
    assert find_checkout(package) == clean
    (package / "b.py").write_text("2\n")
    changed = find_checkout(package)
    assert changed is not None
    assert changed.dirty


def test_a_package_installed_below_another_repository_has_no_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    package = tmp_path / "venv" / "site-packages" / "bench"
    package.mkdir(parents=True)
    assert find_checkout(package) is None


class FakeNvml(types.SimpleNamespace):
    """As much of pynvml as is asked for."""

    NVML_CLOCK_SM = 1

    def __init__(self, pids: list[int], reasons: int) -> None:
        super().__init__(
            nvmlInit=lambda: None,
            nvmlShutdown=lambda: None,
            nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetMemoryInfo=lambda card: types.SimpleNamespace(total=80, used=3),
            nvmlDeviceGetCurrentClocksThrottleReasons=lambda card: reasons,
            nvmlDeviceGetName=lambda card: b"Card",
            nvmlSystemGetDriverVersion=lambda: "550.1",
            nvmlDeviceGetClockInfo=lambda card, kind: 1000,
            nvmlDeviceGetMaxClockInfo=lambda card, kind: 1980,
            nvmlDeviceGetComputeRunningProcesses=lambda card: [
                types.SimpleNamespace(pid=pid) for pid in pids
            ],
        )


def made_up_cuda(monkeypatch: pytest.MonkeyPatch, nvml: object, initialised: bool) -> None:
    properties = types.SimpleNamespace(name="Card of torch", total_memory=81, uuid="1234")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialised)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pids", "initialised", "foreign"),
    [
        ([], False, 0),
        ([os.getpid()], True, 0),
        ([os.getpid(), 7], True, 1),
        ([7], True, 0),
        ([7, 8], True, 1),
        ([7], False, 1),
    ],
)
def test_a_card_by_nvml(
    monkeypatch: pytest.MonkeyPatch, pids: list[int], initialised: bool, foreign: int
) -> None:
    made_up_cuda(monkeypatch, FakeNvml(pids, 0x8 | 0x1), initialised)
    state = GpuState("Card", "550.1", 80, 3, 1000, 1980, foreign, ("hardware slowdown",))
    assert read_gpu(0) == state
    assert read_gpu(1) is None


def test_a_card_without_nvml_is_known_by_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up_cuda(monkeypatch, None, True)
    assert read_gpu(0) == GpuState("Card of torch", "", 81)
