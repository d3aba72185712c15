"""Paired differences: what pairing buys, its p-values, and which comparisons are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from label_maps import pair_with_gaps

from benchbed.errors import UsageError
from benchbed.metrics import METRICS, Counts, accuracy, count_image, holm, intervals, paired_differences
from benchbed.metrics.paired import two_sided_p

SEEN = np.arange(12) < 8


def measured(better: float, seed: int = 0, images: int = 12) -> Counts:
    """Counts of a method that puts a share `better` of its wrong pixels right; the same images for every method."""
    rows = []
    for i in range(images):
        prediction, truth = pair_with_gaps(i)
        mended = (np.random.default_rng([seed, i]).random(truth.shape) < better) & (truth != 255)
        rows.append(count_image(np.where(mended, truth, prediction), truth, 12, image_id=f"im{i}"))
    return Counts.from_images(rows)


@pytest.fixture(scope="module")
def plain() -> Counts:
    return measured(0)


@pytest.fixture(scope="module")
def better() -> Counts:
    return measured(0.2)


def test_values_are_the_differences_of_the_numbers(plain: Counts, better: Counts) -> None:
    got = paired_differences(better, plain, SEEN, "union", 50)
    ours, theirs = (accuracy(counts, SEEN, "union").numbers() for counts in (better, plain))
    assert {name: d.value for name, d in got.items()} == {name: ours[name] - theirs[name] for name in METRICS}


def test_intervals_are_those_of_a_loop(plain: Counts, better: Counts) -> None:
    generator = np.random.Generator(np.random.PCG64(4))
    differences = []
    for _ in range(80):
        rows = generator.integers(12, size=12)
        both = []
        for counts in (better, plain):
            arrays = (counts.intersection[rows], counts.predicted[rows], counts.labelled[rows])
            both.append(accuracy(Counts(tuple(map(str, range(12))), *arrays), SEEN, "union").hiou)
        differences.append(both[0] - both[1])
    got = paired_differences(better, plain, SEEN, "union", 80, 0.9, 4)["hiou"]
    assert (got.interval.low, got.interval.high) == pytest.approx(
        np.quantile(differences, [0.05, 0.95]), abs=1e-14
    )
    assert got.p_value == two_sided_p(np.array(differences))


def test_pairing_makes_a_clear_difference_clear(plain: Counts, better: Counts) -> None:
    got = paired_differences(better, plain, SEEN, "union", 400)["pixel_accuracy"]
    separate = [intervals(counts, SEEN, "union", 400)["pixel_accuracy"] for counts in (better, plain)]
    assert got.interval.low > 0
    assert got.p_value == 2 / 401
    assert got.interval.high - got.interval.low < min(s.high - s.low for s in separate)


def test_swapping_the_methods_turns_the_sign(plain: Counts, better: Counts) -> None:
    one = paired_differences(better, plain, SEEN, "union", 100)["miou"]
    other = paired_differences(plain, better, SEEN, "union", 100)["miou"]
    assert (one.value, one.p_value) == (-other.value, other.p_value)
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low))


def test_a_method_against_itself_does_not_differ(plain: Counts) -> None:
    for difference in paired_differences(plain, plain, SEEN, "union", 100).values():
        assert (difference.value, difference.interval.low, difference.interval.high) == (0, 0, 0)
        assert difference.p_value == 1


def test_p_values_of_equal_methods_are_spread_evenly() -> None:
    """Two methods that err alike: p falls below 0.2 in about a fifth of the comparisons, as it should."""
    found = []
    for trial in range(120):
        rng = np.random.default_rng(trial)
        right = rng.binomial(100, 0.6, size=(2, 60))
        labelled = np.full((60, 1), 100) * [1, 0]
        ids = tuple(map(str, range(60)))
        one, other = (Counts(ids, r[:, None] * [1, 0], np.stack([r, 100 - r], 1), labelled) for r in right)
        found.append(paired_differences(one, other, [True, False], "union", 150)["pixel_accuracy"].p_value)
    assert 0.08 < np.mean(np.array(found) < 0.2) < 0.34


def test_the_order_of_images_does_not_matter(plain: Counts, better: Counts) -> None:
    shuffled = plain.select(plain.image_ids[::-1])
    assert paired_differences(better, shuffled, SEEN, "union", 50) == paired_differences(
        better, plain, SEEN, "union", 50
    )


def test_a_number_that_does_not_exist_has_no_difference(plain: Counts, better: Counts) -> None:
    got = paired_differences(better, plain, np.ones(12, bool), "union", 20)["hiou"]
    assert math.isnan(got.value)
    assert math.isnan(got.p_value)
    assert got.interval.replicates == 0


class TestWhatIsRefused:
    def test_an_image_that_only_the_first_has(self, plain: Counts, better: Counts) -> None:
        fewer = plain.select([f"im{i}" for i in range(12) if i not in (3, 5)])
        with pytest.raises(UsageError, match="image 'im3' is not among the 10 images of the second method"):
            paired_differences(better, fewer, SEEN, "union")

    def test_an_image_that_only_the_second_has(self, plain: Counts, better: Counts) -> None:
        with pytest.raises(UsageError, match="image 'im10' is not among the 10 images of the first method"):
            paired_differences(better.select([f"im{i}" for i in range(10)]), plain, SEEN, "union")

    def test_other_ground_truth_for_one_image(self, plain: Counts) -> None:
        prediction, truth = pair_with_gaps(4)
        truth[0, 0] = 255 if truth[0, 0] != 255 else 3
        rows = [
            count_image(*((prediction, truth) if i == 4 else pair_with_gaps(i)), 12, image_id=f"im{i}")
            for i in range(12)
        ]
        with pytest.raises(UsageError, match="image 'im4' has other ground-truth pixels"):
            paired_differences(Counts.from_images(rows), plain, SEEN, "union")

    def test_another_vocabulary(self, plain: Counts) -> None:
        with pytest.raises(ValueError, match="12 classes against 3"):
            paired_differences(plain, Counts.empty(3), SEEN, "union")


class TestTwoSidedP:
    @pytest.mark.parametrize(
        ("differences", "expected"),
        [
            (np.arange(1, 100) / 100, 2 / 100),
            (-np.arange(1, 100) / 100, 2 / 100),
            (np.r_[-1.0, np.ones(98)], 4 / 100),
            (np.r_[-np.ones(50), np.ones(49)], 1.0),
            (np.zeros(99), 1.0),
            (np.r_[np.ones(99), np.full(40, np.nan)], 2 / 100),
        ],
    )
    def test_tails(self, differences: np.ndarray, expected: float) -> None:
        assert two_sided_p(differences) == pytest.approx(expected)

    def test_nothing_but_nan(self) -> None:
        assert math.isnan(two_sided_p(np.full(5, np.nan)))


class TestHolm:
    def test_the_smallest_is_multiplied_most(self) -> None:
        got = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
        assert got == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})

    def test_it_never_falls_and_never_exceeds_one(self) -> None:
        assert holm({"a": 0.6, "b": 0.5}) == {"a": 1.0, "b": 1.0}

    def test_one_comparison_is_left_alone(self) -> None:
        assert holm({"a": 0.04}) == {"a": 0.04}
        assert holm({}) == {}

    def test_nan_stays_and_is_not_counted(self) -> None:
        got = holm({"a": 0.02, "none": math.nan, "b": 0.5})
        assert math.isnan(got["none"])
        assert (got["a"], got["b"]) == (0.04, 0.5)
        assert list(got) == ["a", "none", "b"]

    @pytest.mark.parametrize("seed", range(5))
    def test_it_rejects_what_stepping_down_rejects(self, seed: int) -> None:
        p = dict(enumerate(np.random.default_rng(seed).random(8) ** 3))
        rejected, left = set(), sorted(p, key=lambda name: p[name])
        while left and p[left[0]] <= 0.1 / len(left):
            rejected.add(left.pop(0))
        adjusted = holm({str(name): value for name, value in p.items()})
        assert {int(name) for name, value in adjusted.items() if value <= 0.1} == rejected

    def test_what_is_no_p_value(self) -> None:
        with pytest.raises(ValueError, match=r"not p-values: {'b': 1.2}"):
            holm({"a": 0.1, "b": 1.2})
