"""Work done on other threads than the main one, in order and bounded: reading ahead of it, counting behind it.

Decoding, resizing and counting release Python's lock for most of their time, and a forward pass releases it for nearly all of
its own, so plain threads are enough, and nothing has to be copied between processes.

Where a forward pass computes on every core, whatever runs beside it makes one of its threads late and all others wait for that
one: it costs more than it takes. There, reading takes turns with the forward pass: all cores read some photos, then all compute.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_READERS: Final = 4  # decoding and resizing a photo takes about 5 ms: enough for 800 images a second
MOST_IN_TURN: Final = 8  # threads that read while nobody computes
AHEAD: Final = 2  # results that wait for the main thread, a reader
# Of all readers together where reading takes turns. Long turns: after a forward pass, OpenMP's threads go on to spin for up to
# 16 ms (libgomp's 300,000 pauses) on the cores that should read. Not longer ones: the photos of a turn wait in memory.
IN_TURN: Final = 16
BEHIND: Final = 2  # pieces of work that wait for the thread behind


@dataclass(frozen=True)
class Readers:
    """Who reads.

    Attributes:
        threads: that read; 0 reads in the main thread when asked.
        beside: they read while the main thread computes, else in turn with it; where they are beside it, counting is too.
    """

    threads: int
    beside: bool = True


def readers(device_type: str, computing: int) -> Readers:
    """What suits this machine.

    Args:
        device_type: `cpu` or `cuda`: cores that wait for a graphics card have time to spare.
        computing: threads of the forward pass on a CPU.
    """
    cores = len(os.sched_getaffinity(0))
    spare = cores - computing if device_type == "cpu" else cores
    if spare > 0:
        return Readers(min(spare, MOST_READERS))
    return Readers(min(cores, MOST_IN_TURN) if cores > 1 else 0, beside=False)


def read_by(
    who: Readers, work: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """`work(item)` of every item, in order.

    At most `AHEAD` results a thread wait, or those of one turn, so that memory does not grow with the items. What `work`
    raises is raised at its item's turn; no later item is begun then, and those begun are waited for.
    """
    if who.threads < 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(who.threads, thread_name_prefix="benchbed-ahead") as pool:
        try:
            if who.beside:
                yield from _ahead(pool, who.threads, work, iter(items))
            else:
                yield from _in_turn(pool, work, iter(items))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, threads: int, work: Callable[[Item], Result], todo: Iterator[Item]
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    for item in todo:
        waiting.append(pool.submit(work, item))
        if len(waiting) > threads * AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _in_turn(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], todo: Iterator[Item]
) -> Iterator[Result]:
    while part := [pool.submit(work, item) for item in islice(todo, IN_TURN)]:
        wait(part)
        part.reverse()
        while part:
            yield part.pop().result()


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
