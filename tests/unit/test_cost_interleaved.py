"""Rounds of several calls with an A/A pair, on a clock that only moves when told to; and what happens to one that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_latency import Clock, clock

from benchbed.cost.interleaved import NULL, time_interleaved
from benchbed.cost.stopping import Stopping

__all__ = ["clock"]  # a fixture

RULE = Stopping(until=0.0, seconds=1e6, least_rounds=4, most_rounds=6)


def spending(clock: Clock, ms: float, log: list[str] | None = None, name: str = "") -> Callable[[int], str]:
    def call(image: int) -> str:
        clock.spend(ms)
        if log is not None:
            log.append(f"{name}{image}")
        return f"{name} of {image}"

    return call


def test_the_quickest_is_timed_twice_at_both_ends_of_the_order(clock: Clock) -> None:
    log: list[str] = []
    calls = {"slow": spending(clock, 50, log, "s"), "quick": spending(clock, 5, log, "q")}
    run = time_interleaved(calls, "cpu", RULE, ("slow", "quick"))
    assert run.null_of == "quick"
    assert run.null is not None
    assert run.null.total_ms == run.samples["quick"].total_ms == [5.0] * 6
    assert NULL not in run.samples
    assert log[:2] == ["s0", "q0"]  # cold, once each
    assert log[2:8] == ["s0", "q0", "q0", "q0", "q0", "s0"]  # A B A' then A' B A
    assert (run.rounds, run.stopped) == (6, "most")


def test_what_calls_return_is_told_between_rounds(clock: Clock) -> None:
    told: list[tuple[int, dict[str, object]]] = []
    run = time_interleaved(
        {"a": spending(clock, 5, name="a")},
        "cpu",
        RULE,
        ("a",),
        lambda rounds, returned: told.append((rounds, dict(returned))),
    )
    assert run.rounds == 6
    assert told[0] == (1, {"a": "a of 0"})
    assert told[-1] == (6, {"a": "a of 2"})


def test_it_stops_when_narrow(clock: Clock) -> None:
    rule = Stopping(until=0.03, seconds=1e6, most_rounds=100)
    run = time_interleaved({"a": spending(clock, 5)}, "cpu", rule)
    assert (run.rounds, run.stopped, run.null, run.null_of) == (8, "narrow", None, "")


def test_it_stops_when_time_is_up_but_not_before_the_least_rounds(clock: Clock) -> None:
    rule = Stopping(until=0.0, seconds=0.001)
    run = time_interleaved({"a": spending(clock, 5)}, "cpu", rule)
    assert (run.rounds, run.stopped) == (4, "time")


def failing(calls_before: int) -> Callable[[int], object]:
    left = [calls_before]

    def call(image: int) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("broken")
        return None

    return call


@pytest.mark.parametrize("calls_before", [0, 1, 4])
def test_one_that_fails_cold_or_late_is_dropped_and_the_rest_is_timed_whole(
    clock: Clock, calls_before: int
) -> None:
    run = time_interleaved(
        {"bad": failing(calls_before), "good": spending(clock, 5)}, "cpu", RULE, ("bad", "good")
    )
    assert list(run.samples) == ["good"]
    assert len(run.samples["good"].total_ms) == 6
    assert str(run.broken["bad"]) == "broken"
    assert run.null_of == "good"


def test_nothing_left_is_no_result() -> None:
    run = time_interleaved({"bad": failing(0)}, "cpu", RULE, ("bad",))
    assert (run.samples, run.rounds, run.stopped, list(run.broken)) == ({}, 0, "nothing", ["bad"])


def test_a_mistake_of_the_listener_is_not_blamed_on_a_call(clock: Clock) -> None:
    def listener(rounds: int, returned: dict[str, object]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        time_interleaved({"a": spending(clock, 5)}, "cpu", RULE, after_round=listener)


def interrupted(calls_before: int, clock: Clock) -> Callable[[int], object]:
    left = [calls_before]

    def call(image: int) -> None:
        clock.spend(5)
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    return call


@pytest.mark.parametrize("calls_before", [0, 1, 4])
def test_an_early_interruption_goes_through(clock: Clock, calls_before: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        time_interleaved({"a": interrupted(calls_before, clock)}, "cpu", RULE)


def test_a_late_interruption_keeps_the_whole_rounds_before(clock: Clock) -> None:
    run = time_interleaved({"a": spending(clock, 5), "b": interrupted(6, clock)}, "cpu", RULE, ("a",))
    assert (run.rounds, run.stopped, run.interrupted) == (5, "interrupted", True)
    assert run.samples["a"].total_ms == run.samples["b"].total_ms == [5.0] * 5
    assert run.null is not None
    assert len(run.null.total_ms) == len(run.null.image_index) == 5
