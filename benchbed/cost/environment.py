"""The machine and its mood: what a reader needs to judge a time, and what makes a time untrustworthy."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from benchbed.cost.checkout import find_checkout
from benchbed.cost.cpu_state import clock_mhz, cpu_name, governor, others_busy_cores, usable_cores
from benchbed.cost.gpu_state import GpuState, read_gpu

if TYPE_CHECKING:
    import torch

DISTRIBUTIONS: Final = {
    "benchbed": "benchbed",
    "torch": "torch",
    "torchvision": "torchvision",
    "open_clip": "open_clip_torch",
    "mmsegmentation": "onedl-mmsegmentation",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "fvcore": "fvcore",
    "numpy": "numpy",
    "pillow": "pillow",
    "timm": "timm",
}
BUSY_SHARE: Final = 0.5  # of the cores: beyond it a neighbour takes time from a run that uses all of them


@dataclass(frozen=True)
class Environment:
    """Plain values for a record. What could not be read is None or empty.

    Attributes:
        python, versions: of the interpreter and of the distributions that a number depends on.
        system: operating system and kernel.
        machine: the first 12 hexadecimal digits of a hash of the host's name and id: tells machines apart, names none.
        cpu: the processor's name; `cores` are those this process may use, `clock_mhz` the mean clock now,
            `governor` the kernel's rule for clocks ("" where it has none).
        memory_bytes: of the machine.
        threads, interop_threads: torch's.
        omp_wait_policy, omp_num_threads: environment variables, "" where unset.
        load: load averages over 1, 5 and 15 minutes.
        others_busy_cores: cores' worth of work done by other processes during the 0.3 s before measuring.
        device: what was measured on.
        torch_settings: switches of torch that change speed.
        gpu: the graphics card's name, driver, clocks and the processes of others on it; None on the CPU.
        commit, dirty: of the git checkout that benchbed runs from; "" and None outside one.
    """

    python: str
    versions: dict[str, str]
    system: str
    machine: str
    cpu: str
    cores: int
    clock_mhz: float | None
    governor: str
    memory_bytes: int
    threads: int
    interop_threads: int
    omp_wait_policy: str
    omp_num_threads: str
    load: tuple[float, float, float]
    others_busy_cores: float
    device: str
    commit: str
    dirty: bool | None
    torch_settings: dict[str, Any] = field(default_factory=dict)
    gpu: GpuState | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether a graphics card does the work."""
        return self.device.startswith("cuda")


def capture(device: torch.device | str = "cpu") -> Environment:
    """Look around; takes about half a second. Call it before measuring."""
    import torch

    checkout = find_checkout()
    on_cuda = str(device).startswith("cuda")
    return Environment(
        python=platform.python_version(),
        versions=_versions(),
        system=f"{platform.system()} {platform.release()}",
        machine=machine_hash(),
        cpu=cpu_name(),
        cores=usable_cores(),
        clock_mhz=clock_mhz(),
        governor=governor(),
        memory_bytes=psutil.virtual_memory().total,
        threads=torch.get_num_threads(),
        interop_threads=torch.get_num_interop_threads(),
        omp_wait_policy=os.environ.get("OMP_WAIT_POLICY", ""),
        omp_num_threads=os.environ.get("OMP_NUM_THREADS", ""),
        load=psutil.getloadavg(),
        others_busy_cores=others_busy_cores(),
        device=str(device),
        commit=checkout.commit if checkout else "",
        dirty=checkout.dirty if checkout else None,
        torch_settings=_torch_settings(),
        gpu=read_gpu(torch.device(device).index or 0) if on_cuda else None,
    )


def noise_warnings(environment: Environment) -> list[str]:
    """One sentence for each thing that disturbs timing, each with what to do; empty on a quiet machine."""
    return [*_cpu_warnings(environment), *_gpu_warnings(environment.gpu)]


def _cpu_warnings(environment: Environment) -> Iterator[str]:
    cores, others, policy = environment.cores, environment.others_busy_cores, environment.omp_wait_policy
    if others > BUSY_SHARE * cores:
        yield (
            f"busy machine: other processes keep {others:.1f} of {cores} cores at work (load {environment.load[0]:.1f}); "
            "stop them or trust only ratios of methods measured in the same run"
        )
    if environment.threads > 1 and policy.upper() != "PASSIVE" and not environment.on_gpu:
        found = f"is {policy}" if policy else "is not set"
        yield (
            f"OMP_WAIT_POLICY {found} with {environment.threads} threads: waiting threads spin, and beside a busy neighbour "
            "small operators get 10 to 80 times slower; set OMP_WAIT_POLICY=PASSIVE before Python starts"
        )
    if environment.threads > cores:
        yield (
            f"{environment.threads} torch threads on {cores} usable cores: they wait for one another; "
            f"set OMP_NUM_THREADS={cores} or less"
        )
    if environment.governor == "powersave":
        yield "the processor's governor is powersave: clocks follow load; run `cpupower frequency-set -g performance` as root"


def _gpu_warnings(gpu: GpuState | None) -> Iterator[str]:
    if gpu is None:
        return
    if gpu.foreign_processes is None:
        yield (
            f"{gpu.name}: clocks, throttling and other processes are unknown without NVML; "
            "run `pip install benchbed[gpu]`"
        )
    elif gpu.foreign_processes:
        plural = "es" if gpu.foreign_processes > 1 else ""
        yield (
            f"{gpu.name}: {gpu.foreign_processes} other process{plural} on the card; stop them, or choose another card "
            "with --device cuda:n"
        )
    if gpu.throttled:
        yield f"{gpu.name}: clocks are held down by {', '.join(gpu.throttled)}; let the card cool or raise its power limit"


def machine_hash() -> str:
    """12 hexadecimal digits that tell this machine from others without naming it."""
    identity = Path("/etc/machine-id")
    known = identity.read_text().strip() if identity.is_file() else ""
    return hashlib.sha256(f"{socket.gethostname()}/{known}".encode()).hexdigest()[:12]


def _versions() -> dict[str, str]:
    found = {}
    for name, distribution in DISTRIBUTIONS.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found


def _torch_settings() -> dict[str, Any]:
    import torch

    return {
        "mha_fastpath": torch.backends.mha.get_fastpath_enabled(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
