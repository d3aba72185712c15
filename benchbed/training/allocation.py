"""Memory that stays with the process: without it, training on a CPU spends a third of its time in the kernel.

glibc gives every block above some size back to the kernel at once, and torch allocates one for every operator's result: each
comes back as new pages, zeroed one by one. Kept blocks and large pages leave the arithmetic as it is: the same weights come out.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

# Of glibc's mallopt(3), and what they are set to: blocks up to glibc's own bound come from the heap, which keeps 1 GiB.
_TRIM_THRESHOLD: Final = (-1, 1 << 30)
_TOP_PAD: Final = (-2, 64 << 20)
_MMAP_THRESHOLD: Final = (-3, 32 << 20)
# torch asks for large pages for its tensors; it reads this before its first one (c10/core/impl/alloc_cpu.cpp).
LARGE_PAGES: Final = "THP_MEM_ALLOC_ENABLE"


def keep_memory() -> bool:
    """Say so to torch and to the allocator, before torch is imported; a setting of the user's stays.

    Returns:
        whether the allocator took it: False without glibc, or where the user has set it. The allocator is left alone then;
        large pages are asked for all the same.
    """
    os.environ.setdefault(LARGE_PAGES, "1")
    own = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if own or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return False
    taken = [mallopt(*setting) == 1 for setting in (_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD)]
    return all(taken)
