"""Work done beside the main thread, in order and bounded: reading ahead of it, counting behind it.

Decoding, resizing and counting release Python's lock for most of their time, and a forward pass releases it for nearly all of
its own, so plain threads are enough, and nothing has to be copied between processes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_READERS: Final = 4  # decoding and resizing a photo takes about 15 ms: enough for 250 images a second
AHEAD: Final = 2  # results that wait for the main thread, a reader
BEHIND: Final = 2  # pieces of work that wait for the thread behind


def readers(device_type: str) -> int:
    """How many threads read ahead on this machine; 0 where that could only slow the forward pass down.

    Args:
        device_type: `cpu` or `cuda`. A lone core that computes has no time to spare; one that waits for a graphics card has.
    """
    cores = len(os.sched_getaffinity(0))
    spare = cores - 1 if device_type == "cpu" else cores
    return max(0, min(spare, MOST_READERS))


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[Result, None, None]:
    """`work(item)` of every item, in order, computed on `threads` threads ahead of whoever asks; 0 computes when asked.

    At most `AHEAD` results a thread wait, so that memory does not grow with the items. What `work` raises is raised at its
    item's turn; no later item is begun then, and those begun are waited for.
    """
    if threads < 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    todo = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="benchbed-ahead") as pool:
        try:
            for item in todo:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Behind:
    """Does pieces of work one after the other on a thread of its own, at most `BEHIND` of them late.

    After one that raised, none is done any more; its error is raised by the next call, or at the end of the block. If the
    block itself raises, what was handed over before is still done, so that nothing finished is lost.
    """

    def __init__(self, threads: int) -> None:
        """`threads` of 0 does each piece at once, in the caller's thread."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="benchbed-behind") if threads else None
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def do(self, work: Callable[[], None]) -> None:
        """Hand over a piece of work; waits where too many are late. Raises what an earlier one raised."""
        if self._pool is None:
            work()
            return
        self._waiting.append(self._pool.submit(self._one, work))
        while len(self._waiting) > BEHIND:
            self._waiting.popleft().result()

    def _one(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        wait(self._waiting)
        self._pool.shutdown(wait=True)
        while error is None and self._waiting:
            self._waiting.popleft().result()
