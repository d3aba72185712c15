"""Threads ahead and behind: the same results in the same order, bounded, and nothing finished is lost when something breaks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from benchbed.overlap import (
    AHEAD,
    BEHIND,
    IN_TURN,
    Behind,
    Readers,
    read_by,
    readers,
)

THREADS = [0, 1, 3]
READERS = [Readers(0), Readers(1), Readers(3), Readers(1, beside=False), Readers(3, beside=False)]


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("items", [0, 1, 50])
def test_results_come_in_order(who: Readers, items: int) -> None:
    assert list(read_by(who, lambda n: n * n, range(items))) == [n * n for n in range(items)]


def room(who: Readers) -> int:
    """How many items may be begun before they are taken."""
    return who.threads * (AHEAD + 1) if who.beside else IN_TURN


@pytest.mark.parametrize("who", READERS[1:])
def test_only_so_many_are_read_ahead(who: Readers) -> None:
    """Whoever is slow to take results stops the reading: memory does not grow with the items."""
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        return n

    results = read_by(who, work, range(1000))
    for taken in range(1, 40):
        next(results)
        assert len(begun) <= taken + room(who)
    results.close()
    assert len(begun) < 1000


def test_nobody_reads_while_results_of_a_turn_are_used() -> None:
    begun: list[int] = []
    results = read_by(Readers(2, beside=False), begun.append, range(100))
    for taken in range(1, 60):
        next(results)
        assert len(begun) == -(-taken // IN_TURN) * IN_TURN
    results.close()


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_comes_at_its_turn_and_no_later_item_is_begun(
    who: Readers, error: type[BaseException]
) -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        if n == 7:
            raise error("broken")
        return n

    taken: list[int] = []
    with pytest.raises(error, match="broken"):
        taken.extend(_each(read_by(who, work, range(1000)), taken))
    assert taken == list(range(7))
    assert len(begun) <= 8 + room(who)


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
    list(read_by(Readers(3), str, range(20)))
    list(read_by(Readers(3, beside=False), str, range(20)))
    with Behind(1) as behind:
        behind.do(lambda: None)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("cores", "computing", "device", "expected"),
    [
        (1, 1, "cpu", Readers(0, beside=False)),
        (2, 1, "cpu", Readers(1)),
        (2, 2, "cpu", Readers(2, beside=False)),
        (64, 16, "cpu", Readers(4)),
        (64, 64, "cpu", Readers(8, beside=False)),
        (2, 64, "cpu", Readers(2, beside=False)),
        (1, 1, "cuda", Readers(1)),
        (64, 64, "cuda", Readers(4)),
    ],
)
def test_who_reads_depends_on_the_cores_that_are_left(
    cores: int, computing: int, device: str, expected: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert readers(device, computing) == expected
