"""Bootstrap intervals against a loop over replicates, against theory, and at their edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from label_maps import pair_with_gaps

from benchbed.metrics import METRICS, AbsentRule, Counts, accuracy, class_intervals, count_image, intervals
from benchbed.metrics import bootstrap as room

SEEN = np.arange(12) < 8


@pytest.fixture(scope="module")
def counts() -> Counts:
    return Counts.from_images(count_image(*pair_with_gaps(i), 12, image_id=str(i)) for i in range(9))


def looped(counts: Counts, seen: np.ndarray, rule: str, replicates: int, seed: int) -> dict[str, list[float]]:
    """Draw whole images, copy their counts, compute each number as for a data set; one replicate at a time."""
    generator = np.random.Generator(np.random.PCG64(seed))
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(replicates):
        rows = generator.integers(counts.num_images, size=counts.num_images)
        ids = tuple(map(str, range(counts.num_images)))
        drawn = Counts(ids, counts.intersection[rows], counts.predicted[rows], counts.labelled[rows])
        for name, number in accuracy(drawn, seen, rule).numbers().items():
            found[name].append(number)
    return found


@pytest.mark.parametrize("rule", list(AbsentRule))
@pytest.mark.parametrize("seed", [0, 7])
def test_intervals_are_those_of_a_loop(counts: Counts, rule: AbsentRule, seed: int) -> None:
    expected = looped(counts, SEEN, rule.value, 60, seed)
    got = intervals(counts, SEEN, rule, replicates=60, level=0.9, seed=seed)
    assert list(got) == list(METRICS)
    for name, interval in got.items():
        low, high = np.nanquantile(expected[name], [0.05, 0.95])
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-14)
        assert (interval.level, interval.replicates) == (0.9, 60)


def test_the_size_of_a_chunk_changes_nothing(counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals(counts, SEEN, "union", 50)
    monkeypatch.setattr(room, "_CHUNK", 3 * 36)
    assert [w.shape for w in room.draw_weights(9, 7, 0, 3)] == [(3, 9), (3, 9), (1, 9)]
    assert intervals(counts, SEEN, "union", 50) == whole


def test_weights_are_multinomial() -> None:
    weights = np.concatenate(list(room.draw_weights(6, 20_000, 3, 1000)))
    assert (weights.sum(1) == 6).all()
    assert weights.mean(0) == pytest.approx(np.ones(6), abs=0.03)
    expected = np.where(np.eye(6) == 1, 5 / 6, -1 / 6)
    assert np.cov(weights.T) == pytest.approx(expected, abs=0.03)


def test_hiou_is_computed_within_each_replicate(counts: Counts) -> None:
    numbers = room.replicate_metrics(counts, SEEN, "union", 40)
    s, u = numbers["seen_miou"], numbers["unseen_miou"]
    assert numbers["hiou"] == pytest.approx(2 * s * u / (s + u), abs=1e-15)
    got = intervals(counts, SEEN, "union", 40)
    pieced = (
        2 * got["seen_miou"].low * got["unseen_miou"].low / (got["seen_miou"].low + got["unseen_miou"].low)
    )
    assert got["hiou"].low != pytest.approx(pieced, abs=1e-6)


def test_a_seed_decides_the_draws(counts: Counts) -> None:
    assert intervals(counts, SEEN, "union", 50, seed=1) == intervals(counts, SEEN, "union", 50, seed=1)
    assert intervals(counts, SEEN, "union", 50, seed=1) != intervals(counts, SEEN, "union", 50, seed=2)


def equal_images(seed: int, count: int) -> tuple[Counts, np.ndarray]:
    """Images of 100 pixels of one class, of which each gets its own share right, and those shares."""
    right = np.random.default_rng(seed).binomial(
        100, np.random.default_rng(seed + 1).uniform(0.2, 0.9, count)
    )
    pairs = np.stack([right, np.zeros_like(right)], 1), np.stack([right, 100 - right], 1)
    labelled = np.stack([np.full_like(right, 100), np.zeros_like(right)], 1)
    return Counts(tuple(map(str, range(count))), *pairs, labelled), right / 100


def test_a_mean_has_the_interval_that_theory_gives() -> None:
    counts, shares = equal_images(0, 400)
    interval = intervals(counts, [True, False], "union", 4000)["pixel_accuracy"]
    half = 1.96 * shares.std() / math.sqrt(400)
    assert interval.low == pytest.approx(shares.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(shares.mean() + half, abs=0.1 * half)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    population, shares = equal_images(5, 3000)
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        sample = population.select([str(i) for i in rng.choice(3000, 80, replace=False)])
        interval = intervals(sample, [True, False], "union", 200, level=0.8)["pixel_accuracy"]
        hits += interval.low <= shares.mean() <= interval.high
    assert 0.70 <= hits / 200 <= 0.90


def test_a_wider_level_holds_a_narrower_one(counts: Counts) -> None:
    wide, narrow = (intervals(counts, SEEN, "union", 300, level=level)["miou"] for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.low < accuracy(counts, SEEN, "union").miou < wide.high


def test_one_image_gives_a_degenerate_interval(counts: Counts) -> None:
    alone = counts.select(["3"])
    for name, interval in intervals(alone, SEEN, "union", 20).items():
        assert interval.low == interval.high == accuracy(alone, SEEN, "union").numbers()[name]


def test_replicates_without_unseen_classes_are_left_out_and_counted() -> None:
    nine, none = np.array([[9, 0]] * 4), np.array([[0, 9]])
    both = np.concatenate([nine, none])
    counts = Counts(("a", "b", "c", "d", "e"), both, both, both)
    got = intervals(counts, [True, False], "ground-truth-only", 500)
    assert 0 < got["hiou"].replicates < 500
    # An image is left out of a replicate with the chance (4/5)^5 = 0.328; a replicate of it alone is one in 3125.
    assert got["hiou"].replicates / 500 == pytest.approx(1 - 0.8**5, abs=0.07)
    assert got["hiou"].low == 1
    assert intervals(counts, [True, False], "all-classes", 500)["hiou"].low == 0
    assert got["miou"].replicates == 500


def test_a_number_that_never_exists(counts: Counts) -> None:
    got = intervals(counts, np.ones(12, bool), "union", 20)["hiou"]
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert got.replicates == 0


@pytest.mark.parametrize("rule", list(AbsentRule))
def test_every_class_has_its_interval(counts: Counts, rule: AbsentRule) -> None:
    got = class_intervals(counts, rule, 100)
    iou = accuracy(counts, SEEN, rule).class_iou
    assert len(got) == 12
    for value, interval in zip(iou, got, strict=True):
        if np.isnan(value):
            assert interval.replicates == 0
        else:
            assert interval.low <= value <= interval.high


def test_an_interval_goes_into_json(counts: Counts) -> None:
    interval = dataclasses.asdict(intervals(counts, SEEN, "union", 20)["miou"])
    assert {name: type(value) for name, value in interval.items()} == {
        "low": float,
        "high": float,
        "level": float,
        "replicates": int,
    }


class TestWhatIsRefused:
    def test_no_images(self) -> None:
        with pytest.raises(ValueError, match="over no images"):
            intervals(Counts.empty(12), SEEN, "union")

    def test_no_replicates(self, counts: Counts) -> None:
        with pytest.raises(ValueError, match="of 0 replicates"):
            intervals(counts, SEEN, "union", replicates=0)

    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
    def test_a_level_that_is_no_share(self, counts: Counts, level: float) -> None:
        with pytest.raises(ValueError, match="is not between 0 and 1"):
            intervals(counts, SEEN, "union", 20, level=level)
