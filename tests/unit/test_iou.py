"""IoU and what is averaged from it, under each published rule, against plain loops and numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from label_maps import pair_with_gaps

from benchbed.metrics import METRICS, AbsentRule, Accuracy, Counts, ImageCounts, accuracy, count_image

# One table worked by hand, areas in pixels:
#   class      0 right and wrong   1 right   2 only in the truth   3 only predicted   4 nowhere
#   I          6                   5         0                     0                  0
#   P          8                   5         0                     3                  0
#   L          8                   5         3                     0                  0
#   IoU        6/10                1         0/3                   0/3                -
HAND = ImageCounts(np.array([6, 5, 0, 0, 0]), np.array([8, 5, 0, 3, 0]), np.array([8, 5, 3, 0, 0]))
SEEN = np.array([True, False, True, False, False])


@pytest.mark.parametrize(
    ("rule", "miou", "seen", "unseen", "mean_accuracy"),
    [
        ("ground-truth-only", 1.6 / 3, 0.6 / 2, 1.0, (0.75 + 1 + 0) / 3),
        ("union", 1.6 / 4, 0.6 / 2, 1 / 2, (0.75 + 1 + 0) / 3),
        ("all-classes", 1.6 / 5, 0.6 / 2, 1 / 3, (0.75 + 1 + 0) / 5),
    ],
)
def test_a_table_worked_by_hand(
    rule: str, miou: float, seen: float, unseen: float, mean_accuracy: float
) -> None:
    numbers = accuracy(HAND, SEEN, rule)
    assert numbers.rule is AbsentRule(rule)
    assert numbers.miou == pytest.approx(miou, abs=1e-15)
    assert numbers.seen_miou == pytest.approx(seen, abs=1e-15)
    assert numbers.unseen_miou == pytest.approx(unseen, abs=1e-15)
    assert numbers.hiou == pytest.approx(2 * seen * unseen / (seen + unseen), abs=1e-15)
    assert numbers.pixel_accuracy == 11 / 16
    assert numbers.mean_accuracy == pytest.approx(mean_accuracy, abs=1e-15)
    assert numbers.frequency_weighted_iou == pytest.approx(0.6 * 8 / 16 + 1 * 5 / 16, abs=1e-15)


@pytest.mark.parametrize(
    ("rule", "iou", "share"),
    [
        ("ground-truth-only", [0.6, 1, 0, np.nan, np.nan], [0.75, 1, 0, np.nan, np.nan]),
        ("union", [0.6, 1, 0, 0, np.nan], [0.75, 1, 0, np.nan, np.nan]),
        ("all-classes", [0.6, 1, 0, 0, 0], [0.75, 1, 0, 0, 0]),
    ],
)
def test_the_classes_of_that_table(rule: str, iou: list[float], share: list[float]) -> None:
    numbers = accuracy(HAND, SEEN, rule)
    np.testing.assert_array_equal(numbers.class_iou, iou)
    np.testing.assert_array_equal(numbers.class_accuracy, share)


def looped(counts: Counts, seen: np.ndarray, rule: str) -> dict[str, float]:
    """The definitions, one class after the other."""
    total = counts.total()
    areas = [tuple(map(int, column)) for column in zip(total.intersection, total.predicted, total.labelled)]  # noqa: B905
    takes = {
        "ground-truth-only": lambda p, t: t > 0,
        "union": lambda p, t: p + t > 0,
        "all-classes": lambda p, t: True,
    }
    iou = {k: (i / (p + t - i) if p + t else 0.0) for k, (i, p, t) in enumerate(areas) if takes[rule](p, t)}
    share = {k: i / t if t else 0.0 for k, (i, p, t) in enumerate(areas) if t or rule == "all-classes"}
    pixels = sum(t for _, _, t in areas)

    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values) if values else math.nan

    s, u = mean([v for k, v in iou.items() if seen[k]]), mean([v for k, v in iou.items() if not seen[k]])
    return {
        "miou": mean(list(iou.values())),
        "seen_miou": s,
        "unseen_miou": u,
        "hiou": 0.0 if s == u == 0 else 2 * s * u / (s + u),
        "pixel_accuracy": sum(i for i, _, _ in areas) / pixels,
        "mean_accuracy": mean(list(share.values())),
        "frequency_weighted_iou": math.fsum(t * iou[k] for k, (_, _, t) in enumerate(areas) if t) / pixels,
    }


@pytest.mark.parametrize("rule", list(AbsentRule))
@pytest.mark.parametrize("seed", range(6))
def test_random_maps_against_the_definitions(rule: AbsentRule, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [count_image(*pair_with_gaps(10 * seed + i), 12, image_id=str(i)) for i in range(5)]
    seen = rng.random(12) < 0.6
    counts = Counts.from_images(rows)
    numbers = accuracy(counts, seen, rule).numbers()
    assert list(numbers) == list(METRICS)
    assert numbers == pytest.approx(looped(counts, seen, rule.value), abs=1e-14, nan_ok=True)
    assert all(0 <= number <= 1 for number in numbers.values())


def test_the_rules_agree_where_every_class_occurs() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(7, size=(50, 60))
    counts = count_image(
        np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(7, size=truth.shape)), truth, 7
    )
    numbers = [accuracy(counts, np.arange(7) < 4, rule).numbers() for rule in AbsentRule]
    assert numbers[0] == numbers[1] == numbers[2]


def one_class_each(right: list[bool]) -> ImageCounts:
    """Ten pixels of each class, all right or all given to the next class."""
    labelled = np.full(len(right), 10)
    intersection = np.where(right, 10, 0)
    return ImageCounts(intersection, intersection + np.roll(labelled - intersection, 1), labelled)


class TestHarmonicMean:
    def test_it_is_of_the_two_means_and_not_of_classes(self) -> None:
        numbers = accuracy(one_class_each([True, False, True, True]), [True, True, False, False], "union")
        assert numbers.hiou == 2 * numbers.seen_miou * numbers.unseen_miou / (
            numbers.seen_miou + numbers.unseen_miou
        )
        assert (numbers.seen_miou, numbers.unseen_miou) == (0.5, 0.75)

    def test_one_side_at_zero_makes_it_zero(self) -> None:
        assert (
            accuracy(one_class_each([True, True, False, False]), [True, True, False, False], "union").hiou
            == 0
        )

    def test_both_sides_at_zero_make_it_zero_and_not_nan(self) -> None:
        assert accuracy(one_class_each([False, False]), [True, False], "union").hiou == 0

    @pytest.mark.parametrize("rule", list(AbsentRule))
    def test_without_unseen_classes_it_does_not_exist(self, rule: AbsentRule) -> None:
        numbers = accuracy(one_class_each([True, False, True]), np.ones(3, bool), rule)
        assert numbers.miou == numbers.seen_miou
        assert math.isnan(numbers.unseen_miou)
        assert math.isnan(numbers.hiou)

    def test_without_seen_classes_it_does_not_exist(self) -> None:
        numbers = accuracy(one_class_each([True, False]), np.zeros(2, bool), "all-classes")
        assert math.isnan(numbers.seen_miou)
        assert math.isnan(numbers.hiou)

    def test_an_unseen_side_that_no_image_shows_depends_on_the_rule(self) -> None:
        counts = ImageCounts(np.array([9, 0]), np.array([9, 0]), np.array([9, 0]))
        assert math.isnan(accuracy(counts, [True, False], "union").hiou)
        assert accuracy(counts, [True, False], "all-classes").hiou == 0


def test_no_labelled_pixel_at_all() -> None:
    nothing = ImageCounts(*(np.zeros(3, np.int64),) * 3)
    for rule in (AbsentRule.GROUND_TRUTH_ONLY, AbsentRule.UNION):
        assert all(math.isnan(v) for v in accuracy(nothing, [True, True, False], rule).numbers().values())
    assert accuracy(nothing, [True, True, False], AbsentRule.ALL_CLASSES).miou == 0


def test_counts_beyond_float32_keep_every_pixel() -> None:
    huge = 2**40
    counts = ImageCounts(np.array([huge - 1, 0]), np.array([huge - 1, 1]), np.array([huge, 0]))
    assert accuracy(counts, [True, False], "ground-truth-only").miou == (huge - 1) / huge


class TestWhatIsRefused:
    def test_seen_as_indices(self) -> None:
        with pytest.raises(TypeError, match="seen is a bool for each class, not an array of int64"):
            accuracy(HAND, [0, 2], "union")

    def test_seen_of_another_length(self) -> None:
        with pytest.raises(ValueError, match=r"seen has the shape \(4,\), but the counts have 5 classes"):
            accuracy(HAND, [True] * 4, "union")

    def test_a_rule_nobody_published(self) -> None:
        with pytest.raises(ValueError, match="'union-only' is not a valid AbsentRule"):
            accuracy(HAND, SEEN, "union-only")


def test_numbers_are_plain_floats_for_json() -> None:
    numbers = accuracy(HAND, SEEN, "union")
    assert isinstance(numbers, Accuracy)
    assert all(type(number) is float for number in numbers.numbers().values())
