"""What all tests share: calm threads, how many processes they run in, and the reference material only some machines have."""

from __future__ import annotations

import os

# Before torch is imported: beside a busy neighbour, spinning OpenMP threads slow small operators 10 to 80 times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Large pages for torch's tensors: without them, a third of the time and more goes to the kernel, which hands out and takes back
# the same memory, page by page, at every operator.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
# Nothing is left behind in a home folder; what is about decoded ground truth sets a folder of its own.
os.environ["BENCHBED_CACHE"] = "off"

from pathlib import Path

import psutil
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
MOST_WORKERS = 4  # beyond that, imports (15 s a worker) and the longest single tests decide
WORKER_BYTES = 2 << 30  # of memory: 1.1 GB of libraries, the largest networks, a child process
# Asked for with one of these, or with tests/benchmarks alone, tests run one after the other in this process.
ALONE_OPTIONS = ("parity_table", "units_table")
ALONE_FOLDER = Path(__file__).parent / "benchmarks"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` is: a process a core, at most four, and as many as memory holds; 0 is this process alone.

    One test file, benchmarks and pages of measurements are quicker or truer without workers. `-n NUMBER` overrules.
    """
    if any(config.getoption(option, None) for option in ALONE_OPTIONS) or _few(config):
        return 0
    fitting = psutil.virtual_memory().available // WORKER_BYTES
    count = min(MOST_WORKERS, len(os.sched_getaffinity(0)), fitting)
    return count if count > 1 else 0


def _few(config: pytest.Config) -> bool:
    """Whether one file, nothing but benchmarks, or full-size methods were asked for."""
    if config.getoption("markexpr", "") == "full_size":
        return True
    paths = {(config.invocation_params.dir / each.partition("::")[0]).resolve() for each in config.args}
    if len(paths) == 1 and all(path.is_file() for path in paths):
        return True
    return bool(paths) and all(path.is_relative_to(ALONE_FOLDER) for path in paths)


def pytest_configure(config: pytest.Config) -> None:
    """A page of measurements is written by one process: refuse to spread what it is made of over several."""
    asked = next((name for name in ALONE_OPTIONS if config.getoption(name, None)), None)
    if asked and config.getoption("numprocesses", None):
        raise pytest.UsageError(f"--{asked.replace('_', '-')} needs all tests in one process: add -n 0")


def shared_folder(part: str = "") -> Path:
    """`shared/PART` beside the repository; skips the test, naming the folder, where it is absent."""
    folder = SHARED / part
    if not folder.exists():
        pytest.skip(f"{folder} is not on this machine")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data, golden cases and photos, or a skip."""
    return shared_folder()


@pytest.fixture(scope="session")
def shared_voc() -> Path:
    """A data root with 637 real PASCAL VOC photos (347 of val), or a skip."""
    return shared_folder("data/voc2012")
