"""Laws through made-up times whose truth is known, and where they meet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from benchbed.cost.scaling import crossings, fit_laws, where_ratio

XS = (1.0, 3.0, 10.0, 32.0, 100.0)
Truth = Callable[[float], float]


def samples(
    truth: Truth, seed: int, rounds: int = 12, noise: float = 0.02, xs: tuple[float, ...] = XS
) -> dict[float, list[float]]:
    draw = np.random.default_rng(seed)
    return {x: (truth(x) * np.exp(draw.normal(0, noise, rounds))).tolist() for x in xs}


@pytest.mark.parametrize("seed", range(4))
def test_a_straight_line_is_found_with_its_coefficients(seed: int) -> None:
    law = fit_laws({"z": samples(lambda x: 1300 + 190 * x, seed)})["z"]
    assert law.kind == "affine"
    a, b = law.coefficients
    assert a.value == pytest.approx(1300, rel=0.05)
    assert b.low < b.value < b.high
    assert b.value == pytest.approx(190, rel=0.05)
    assert law.at(50).value == pytest.approx(1300 + 190 * 50, rel=0.05)
    assert law.at(50).low < law.at(50).value < law.at(50).high


@pytest.mark.parametrize("seed", range(4))
def test_constant_and_quadratic_times_get_as_many_terms_as_they_need(seed: int) -> None:
    laws = fit_laws(
        {"flat": samples(lambda _: 500.0, seed), "square": samples(lambda x: 10 + x + 0.5 * x * x, seed)}
    )
    assert laws["flat"].kind == "constant"
    assert laws["square"].kind == "quadratic"
    assert laws["square"].coefficients[2].value == pytest.approx(0.5, rel=0.1)
    assert laws["square"].misfit < 0.1


def test_three_values_are_enough_for_a_line_and_two_are_a_line() -> None:
    three = samples(lambda x: 20 + 2 * x, 0, xs=(1.0, 10.0, 30.0))
    assert fit_laws({"z": three})["z"].kind == "affine"
    assert fit_laws({"z": {x: three[x] for x in (1.0, 30.0)}})["z"].kind == "affine"
    assert fit_laws({"z": {1.0: three[1.0]}})["z"].kind == "constant"


def test_relative_misfit_decides_so_small_times_count_as_much_as_large_ones() -> None:
    """An ordinary least squares fit of y = x at two points and a bend would ignore the small end."""
    exact = {1.0: [2.0] * 4, 10.0: [11.0] * 4, 1000.0: [1001.0] * 4, 100.0: [101.0] * 4}
    law = fit_laws({"z": exact})["z"]
    assert law.coefficients[0].value == pytest.approx(1.0, rel=1e-6)
    assert law.coefficients[1].value == pytest.approx(1.0, rel=1e-6)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(60):
        law = fit_laws({"z": samples(lambda x: 1000 + 100 * x, seed, rounds=20)}, seed)["z"]
        b = law.coefficients[1]
        covered += b.low <= 100 <= b.high
    assert covered >= 50


@pytest.mark.parametrize("seed", range(4))
def test_two_lines_meet_where_algebra_says(seed: int) -> None:
    laws = fit_laws(
        {"d": samples(lambda x: 1500 + 2 * x, seed), "z": samples(lambda x: 500 + 190 * x, seed + 9)}
    )
    (met,) = crossings(laws["d"], laws["z"])
    truth = 1000 / 188
    assert met.x.low <= met.x.value <= met.x.high
    assert met.x.value == pytest.approx(truth, rel=0.15)
    assert met.below == "second"
    assert met.inside
    assert met.share == 1.0
    (mirrored,) = crossings(laws["z"], laws["d"])
    assert mirrored.below == "first"
    assert mirrored.x.value == pytest.approx(met.x.value)
    json.dumps(met.as_dict(), allow_nan=False)


def test_a_drift_of_the_machine_that_falls_on_all_alike_cancels() -> None:
    """Half of the rounds twice as slow: each law is uncertain by a factor, their crossing is not."""
    drift = np.repeat([1.0, 2.0], 6)
    d = {x: ((1500 + 2 * x) * drift).tolist() for x in XS}
    z = {x: ((500 + 190 * x) * drift).tolist() for x in XS}
    laws = fit_laws({"d": d, "z": z})
    assert laws["d"].coefficients[0].high > 1.5 * laws["d"].coefficients[0].low
    (met,) = crossings(laws["d"], laws["z"])
    assert met.x.high - met.x.low < 1e-6 * met.x.value


def test_parallel_lines_and_far_ones_do_not_meet() -> None:
    laws = fit_laws({name: {x: [base + 3 * x] * 4 for x in XS} for name, base in (("a", 10.0), ("b", 20.0))})
    assert crossings(laws["a"], laws["b"]) == []
    far = fit_laws({"a": {x: [100.0 + x] * 4 for x in XS}, "b": {x: [2000.0 + 0.5 * x] * 4 for x in XS}})
    assert crossings(far["a"], far["b"]) == []  # they would at 3,800, 38 times the measured range


def test_a_crossing_outside_of_what_was_measured_says_so() -> None:
    laws = fit_laws({"a": {x: [100.0 + x] * 4 for x in XS}, "b": {x: [400.0] * 4 for x in XS}})
    (met,) = crossings(laws["a"], laws["b"])
    assert met.x.value == pytest.approx(300, rel=1e-3)
    assert not met.inside


def test_one_place_stands_for_a_method_that_the_axis_does_not_concern() -> None:
    laws = fit_laws({"lseg": {100.0: [500.0] * 4}, "z": {x: [100.0 + 20 * x] * 4 for x in XS}})
    (met,) = crossings(laws["lseg"], laws["z"])
    assert met.x.value == pytest.approx(20.0)
    assert met.inside
    assert met.below == "second"


def test_where_a_ratio_is_reached() -> None:
    laws = fit_laws(
        {"z": {x: [1000.0 + 200 * x] * 4 for x in XS}, "d": {x: [1500.0 + 2 * x] * 4 for x in XS}}
    )
    four = where_ratio(laws["z"], laws["d"], 4.0)
    assert four is not None
    assert four.value == pytest.approx((4 * 1500 - 1000) / (200 - 8))
    assert where_ratio(laws["z"], laws["d"], 0.1) is None


def test_an_uncertain_crossing_has_a_wide_interval_and_says_how_often_it_exists() -> None:
    laws = fit_laws(
        {
            "a": samples(lambda x: 100 + 0.30 * x, 1, noise=0.1),
            "b": samples(lambda x: 102 + 0.25 * x, 2, noise=0.1),
        }
    )
    for met in crossings(laws["a"], laws["b"]):
        assert met.x.low <= met.x.value <= met.x.high
        assert met.x.high > 1.5 * met.x.value or met.x.low < 0.5 * met.x.value or met.share < 1


def test_one_round_has_a_law_without_a_believable_interval() -> None:
    law = fit_laws({"z": {x: [5.0 + x] for x in XS}})["z"]
    assert law.coefficients[0].samples == 1
    assert law.coefficients[0].high == math.inf
    assert json.loads(json.dumps(law.as_dict(), allow_nan=False))["a"]["low"] is None


@pytest.mark.parametrize(
    "wrong",
    [{}, {"z": {}}, {"z": {1.0: []}}, {"z": {1.0: [1.0], 2.0: [1.0, 2.0]}}],
)
def test_unequal_or_no_rounds_are_a_mistake(wrong: dict[str, dict[float, list[float]]]) -> None:
    with pytest.raises(ValueError, match="same number of rounds"):
        fit_laws(wrong)


def test_times_that_are_none_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        fit_laws({"z": {1.0: [1.0, 0.0], 2.0: [1.0, 2.0]}})
