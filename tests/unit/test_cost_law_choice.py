"""Which form a law gets, through made-up times whose form is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchbed.cost.law_choice import UNKNOWN, choose, shape_noise
from benchbed.cost.law_forms import NAMES, Kind, fitting, least_squares, values
from benchbed.cost.scaling import Law, crossings, fit_laws, where_ratio

FOUR = (1.0, 10.0, 40.0, 100.0)  # what the shipped claims sweep
TRUTHS: dict[str, tuple[Kind, tuple[float, float, float]]] = {
    "the same whatever x": ("constant", (3150, 0, 0)),
    "nothing but x": ("proportional", (0, 190, 0)),
    "a fixed part and x": ("affine", (500, 190, 0)),
    "a power": ("power", (120, 0.6, 0)),
    "pairs of x": ("quadratic", (300, 2, 0.9)),
}


def samples(
    kind: Kind,
    numbers: tuple[float, float, float],
    seed: int,
    xs: tuple[float, ...],
    noise: float,
    rounds: int = 12,
) -> dict[float, list[float]]:
    """Rounds with a drift of their own, which falls on every x alike, and noise that does not."""
    draw = np.random.default_rng(seed)
    drift = np.exp(draw.normal(0, 0.1, rounds))
    truth = values(kind, np.array(numbers, float), np.array(xs))
    return {
        x: (t * drift * np.exp(draw.normal(0, noise, rounds))).tolist()
        for x, t in zip(xs, truth, strict=True)
    }


def forms(name: str, xs: tuple[float, ...], noise: float, trials: int = 60) -> Counter[str]:
    kind, numbers = TRUTHS[name]
    return Counter(
        fit_laws({"z": samples(kind, numbers, seed, xs, noise)}, seed)["z"].kind for seed in range(trials)
    )


@pytest.mark.parametrize("noise", [0.01, 0.03])
@pytest.mark.parametrize("name", TRUTHS)
def test_the_true_form_is_found_nine_times_of_ten_from_five_values(name: str, noise: float) -> None:
    found = forms(name, (1.0, 3.0, 10.0, 32.0, 100.0), noise)
    assert found[TRUTHS[name][0]] >= 54, found


@pytest.mark.parametrize("name", ["the same whatever x", "a fixed part and x"])
def test_three_values_tell_a_line_from_a_constant(name: str) -> None:
    found = forms(name, (1.0, 10.0, 100.0), 0.03)
    assert found[TRUTHS[name][0]] >= 51, found


def test_growth_well_above_the_noise_is_no_constant() -> None:
    """Nine percent from one end to the other, at two percent of noise a round."""
    kinds = Counter(
        fit_laws({"z": samples("affine", (1000, 0.9, 0), seed, FOUR, 0.02)}, seed)["z"].kind
        for seed in range(40)
    )
    assert kinds["constant"] <= 2, kinds


def test_a_step_that_no_form_explains_is_not_threaded() -> None:
    """A constant with one value five percent off: a curve through all of them would predict none that is left out."""
    medians = np.array([100.0, 100.0, 105.0, 100.0])
    assert choose(np.array(FOUR), medians, np.full(4, 0.002)) == "constant"


def test_one_and_two_values_cannot_be_judged() -> None:
    assert choose(np.array([5.0]), np.array([1.0]), np.array([0.01])) == "constant"
    assert choose(np.array([1.0, 2.0]), np.array([1.0, 1.0]), np.array([0.01, 0.01])) == "affine"
    assert not fitting("quadratic", np.array([1.0, 2.0, 3.0]))
    assert not fitting("power", np.array([0.0, 1.0, 2.0]))


def test_a_drift_that_falls_on_all_alike_is_no_noise_of_the_form() -> None:
    drift = np.exp(np.random.default_rng(0).normal(0, 0.2, 500))
    medians = np.array([[10.0], [20.0], [40.0]]) * drift
    assert shape_noise(medians) == pytest.approx(np.zeros(3), abs=1e-12)
    assert shape_noise(medians[:, :1]) == pytest.approx(np.full(3, UNKNOWN))
    own = np.random.default_rng(1).normal(0, 0.02, (3, 4000))
    assert shape_noise(np.exp(own)) == pytest.approx(np.full(3, 0.02), rel=0.1)


@pytest.mark.parametrize("kind", NAMES)
def test_exact_times_give_back_their_numbers(kind: Kind) -> None:
    numbers = np.array({"power": (12.0, 0.7, 0.0)}.get(kind, (12.0, 3.0, 0.5)))
    numbers[[place for place in range(3) if place >= 1 and kind == "constant"]] = 0
    numbers = numbers * {"proportional": (0, 1, 0), "affine": (1, 1, 0)}.get(kind, (1, 1, 1))
    xs = np.array([1.0, 3.0, 10.0, 50.0, 200.0])
    found = least_squares(xs, values(kind, numbers, xs)[:, None], kind)[:, 0]
    assert found == pytest.approx(numbers, rel=1e-6, abs=1e-9)


def law(name: str, seed: int = 0) -> dict[str, Law]:
    kind, numbers = TRUTHS[name]
    flat = samples("constant", (3150, 0, 0), seed + 1, FOUR, 0.01)
    return fit_laws({"flat": flat, "grows": samples(kind, numbers, seed, FOUR, 0.01)}, seed)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("nothing but x", 3150 / 190),
        ("a fixed part and x", 2650 / 190),
        ("a power", (3150 / 120) ** (1 / 0.6)),
    ],
)
def test_laws_of_any_form_meet_where_algebra_says(name: str, x: float) -> None:
    found = law(name)
    (met,) = crossings(found["flat"], found["grows"])
    assert met.x.value == pytest.approx(x, rel=0.08)
    assert met.x.low < met.x.value < met.x.high
    assert met.below == "second"
    assert met.inside == (x <= 100)


def test_intervals_of_crossings_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(60):
        laws = fit_laws(
            {
                "one": samples("affine", (1500, 2, 0), seed, FOUR, 0.03, rounds=16),
                "two": samples("affine", (500, 190, 0), seed + 1000, FOUR, 0.03, rounds=16),
            },
            seed,
        )
        found = where_ratio(laws["two"], laws["one"], 4.0)
        assert found is not None
        covered += found.low <= 5500 / 182 <= found.high
    assert covered >= 50
