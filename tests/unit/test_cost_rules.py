"""When a run stops, what its noise floor is, what drifted, and how the largest batch is searched: all without torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchbed.cost.drift import drift_warnings
from benchbed.cost.environment import Environment
from benchbed.cost.largest_batch import Step, find_largest, parse_bytes, predicted_peak
from benchbed.cost.latency import LatencySamples
from benchbed.cost.noise_floor import noise_floor
from benchbed.cost.stopping import Stopping


def timed(spread: float, rounds: int, seed: int = 0) -> LatencySamples:
    draw = np.random.default_rng(seed)
    return LatencySamples(total_ms=(100 * np.exp(draw.normal(0, spread, rounds))).tolist())


@pytest.mark.parametrize(
    ("spread", "rounds", "narrow"), [(0.001, 7, False), (0.001, 8, True), (0.3, 12, False), (0.02, 40, True)]
)
def test_a_run_is_done_when_every_interval_is_narrow_and_rests_on_enough_rounds(
    spread: float, rounds: int, narrow: bool
) -> None:
    rule = Stopping(until=0.03)
    assert rule.narrow({"a": timed(spread, rounds)}) is narrow
    assert not rule.narrow({"a": timed(spread, rounds), "wild": timed(0.5, rounds, 1)})


def test_why_it_stopped() -> None:
    assert Stopping(until=0.03).why({"a": timed(0.001, 10)}) == "narrow"
    assert Stopping(until=0.03).why({"a": timed(0.5, 10)}) == "time"
    assert Stopping(until=0.03, most_rounds=10).why({"a": timed(0.5, 10)}) == "most"
    assert Stopping(until=0.0).why({"a": timed(0.001, 10)}) == "time"


@pytest.mark.parametrize("seed", range(5))
def test_identical_work_has_a_floor_around_one(seed: int) -> None:
    floor = noise_floor(timed(0.01, 40, seed).total_ms, timed(0.01, 40, seed + 50).total_ms)
    assert abs(floor.ratio.value - 1) < 0.02
    assert floor.smallest_effect < 0.03
    assert floor.warnings() == []
    assert 0.01 < floor.spread < 0.06  # two standard deviations of a ratio of two: 0.028


def test_a_floor_that_hides_differences_is_said_to() -> None:
    wide = noise_floor(timed(0.3, 12, 1).total_ms, timed(0.3, 12, 2).total_ms)
    (said,) = wide.warnings()
    assert "mean nothing here" in said
    assert "--seconds" in said
    biased = noise_floor([110.0 + 0.01 * i for i in range(12)], [100.0] * 12)
    (said,) = biased.warnings()
    assert "+10.1%" in said
    assert "drifts within a round" in said
    (said,) = noise_floor([1.0], [1.0]).warnings()
    assert "one round" in said


def test_machines_that_move_are_warned_of() -> None:
    calm = Environment(
        "3.11",
        {},
        "Linux",
        "m",
        "A Processor",
        2,
        None,
        "",
        2**34,
        2,
        2,
        "PASSIVE",
        "2",
        (0.0, 0.0, 0.0),
        0.0,
        "cpu",
        "",
        None,
    )
    assert drift_warnings(calm, calm, [100.0] * 12) == []
    fast, slow = replace(calm, clock_mhz=3000.0), replace(calm, clock_mhz=2400.0)
    (said,) = drift_warnings(fast, slow, [])
    assert said.startswith("throttling: the processor's clock fell from 3000 to 2400 MHz")
    assert drift_warnings(slow, fast, []) == []
    (said,) = drift_warnings(calm, calm, [100.0] * 6 + [120.0] * 6)
    assert said.startswith("drift: the second half of the rounds took +20%")
    assert drift_warnings(calm, calm, [100.0, 200.0]) == []


def fitting_up_to(limit: int, tried: list[int]) -> object:
    def attempt(batch: int) -> Step:
        tried.append(batch)
        fits = batch <= limit
        return Step(batch, fits, 1000 * batch, 1.0, "" if fits else f"batch {batch}: out of memory", not fits)

    return attempt


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 8, 13, 31, 32, 33, 100])
def test_the_largest_batch_is_found_exactly_and_every_step_is_kept(limit: int) -> None:
    tried: list[int] = []
    search = find_largest(fitting_up_to(limit, tried), most=64)  # type: ignore[arg-type]
    assert search.largest == min(limit, 64)
    assert [step.batch for step in search.steps] == tried
    assert len(tried) == len(set(tried)) <= 12
    if limit < 64:
        assert any(not step.fits for step in search.steps)
        assert "out of memory" in search.limit
    else:
        assert search.limit == "64 images were tried at most"


def test_want_of_time_ends_the_search_at_once() -> None:
    def attempt(batch: int) -> Step:
        return Step(batch, batch < 8, 1, 1.0, "" if batch < 8 else "no time left")

    search = find_largest(attempt)
    assert (search.largest, [s.batch for s in search.steps], search.limit) == (
        4,
        [1, 2, 4, 8],
        "no time left",
    )


def test_the_next_peak_is_foretold_from_growth_an_image() -> None:
    assert predicted_peak([], 2, 100) is None
    one = Step(1, True, 150)
    assert predicted_peak([one], 4, 100) == 300
    assert predicted_peak([one, Step(2, True, 180)], 4, 100) == 240
    assert predicted_peak([one, Step(2, False, 900)], 4, 100) == 300


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8GiB", 8 * 2**30),
        ("8g", 8 * 2**30),
        ("1.5 MB", 3 * 2**19),
        ("1000", 1000),
        ("512b", 512),
        ("2TiB", 2**41),
        ("GiB", None),
        ("-1G", None),
        ("0", None),
        ("nan", None),
        ("inf", None),
        ("8 apples", None),
        ("", None),
    ],
)
def test_amounts_of_memory(text: str, found: int | None) -> None:
    assert parse_bytes(text) == found
