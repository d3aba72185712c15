"""Threads ahead and behind: the same results in the same order, bounded, and nothing finished is lost when something breaks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from benchbed.overlap import AHEAD, BEHIND, Behind, ahead, readers

THREADS = [0, 1, 3]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("items", [0, 1, 50])
def test_results_come_in_order(threads: int, items: int) -> None:
    assert list(ahead(lambda n: n * n, range(items), threads)) == [n * n for n in range(items)]


@pytest.mark.parametrize("threads", [1, 3])
def test_only_so_many_are_read_ahead(threads: int) -> None:
    """Whoever is slow to take results stops the reading: memory does not grow with the items."""
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        return n

    results = ahead(work, range(1000), threads)
    for taken in range(1, 6):
        next(results)
        assert len(begun) <= taken + threads * AHEAD + threads
    results.close()
    assert len(begun) < 1000


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_comes_at_its_turn_and_no_later_item_is_begun(
    threads: int, error: type[BaseException]
) -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        if n == 7:
            raise error("broken")
        return n

    taken: list[int] = []
    with pytest.raises(error, match="broken"):
        taken.extend(_each(ahead(work, range(1000), threads), taken))
    assert taken == list(range(7))
    assert len(begun) <= 8 + threads * (AHEAD + 1)


def _each(results: Iterator[int], taken: list[int]) -> list[int]:
    for result in results:
        taken.append(result)
    return []


@pytest.mark.parametrize("threads", THREADS)
def test_what_is_behind_is_done_in_order_and_by_the_end(threads: int) -> None:
    done: list[int] = []
    with Behind(threads) as behind:
        for n in range(100):
            behind.do(lambda n=n: done.append(n))  # type: ignore[misc]
            assert n - len(done) <= BEHIND + 1
    assert done == list(range(100))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_thread_that_dies_ends_the_block_with_its_error_and_does_nothing_more(threads: int) -> None:
    done: list[int] = []

    def work(n: int) -> None:
        if n == 3:
            raise OSError("the disk is full")
        done.append(n)

    def block() -> None:
        with Behind(threads) as behind:
            for n in range(100):
                behind.do(lambda n=n: work(n))  # type: ignore[misc]

    with pytest.raises(OSError, match="the disk is full"):
        block()
    assert done == [0, 1, 2]


@pytest.mark.parametrize("threads", THREADS)
def test_an_interrupted_block_still_does_what_it_was_given(threads: int) -> None:
    done: list[int] = []

    def block() -> None:
        with Behind(threads) as behind:
            for n in range(3):
                behind.do(lambda n=n: done.append(n))  # type: ignore[misc]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == [0, 1, 2]


def test_no_thread_is_left_over() -> None:
    before = threading.active_count()
    list(ahead(str, range(20), 3))
    with Behind(1) as behind:
        behind.do(lambda: None)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("cores", "device", "expected"),
    [(1, "cpu", 0), (2, "cpu", 1), (64, "cpu", 4), (1, "cuda", 1), (64, "cuda", 4)],
)
def test_a_lone_core_computes_alone(
    cores: int, device: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert readers(device) == expected
