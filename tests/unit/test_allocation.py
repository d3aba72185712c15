"""Memory that a training keeps: asked for before torch is there, and never against the user's own setting."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from benchbed.training.allocation import LARGE_PAGES, keep_memory

GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
# 6 blocks of 24 MiB at a time, filled and freed: as new pages 36,864 faults a time, kept ones none after the first time.
FAULTS = """
import ctypes, resource, sys
from benchbed.training.allocation import keep_memory
if sys.argv[1] == "kept":
    assert keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    blocks = [libc.malloc(24 << 20) for _ in range(6)]
    for block in blocks:
        ctypes.memset(block, 1, 24 << 20)
    for block in blocks:
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not GLIBC, reason="no glibc here")
def test_freed_blocks_are_not_given_back() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def faults(kind: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, kind], capture_output=True, text=True, env=plain, check=True
        )
        return int(done.stdout)

    assert 4 * faults("kept") < faults("plain")


def test_the_users_own_choice_of_pages_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LARGE_PAGES, "0")
    keep_memory()
    assert os.environ[LARGE_PAGES] == "0"
    monkeypatch.delenv(LARGE_PAGES)
    keep_memory()
    assert os.environ[LARGE_PAGES] == "1"


def test_the_users_own_allocator_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    assert not keep_memory()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_memory()
