"""What all tests share: calm threads, and the reference material that only some machines have."""

from __future__ import annotations

import os

# Before torch is imported: beside a busy neighbour, spinning OpenMP threads slow small operators 10 to 80 times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
