"""Counting one image exactly, whatever its dtype, size and noise, and refusing what can't be counted."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from label_maps import blobs, pair_with_gaps
from numpy.typing import NDArray

from benchbed import metrics
from benchbed.errors import DataError, ScoresError
from benchbed.metrics import Counts, ImageCounts, count_image

Map = NDArray[np.int64]


def plain_counts(prediction: Map, truth: Map, num_classes: int, ignore: int) -> list[list[int]]:
    """Intersection, predicted, labelled pixels, class by class, as one would say it."""
    kept = truth != ignore
    return [
        [int(((prediction == k) & (truth == k) & kept).sum()) for k in range(num_classes)],
        [int(((prediction == k) & kept).sum()) for k in range(num_classes)],
        [int(((truth == k) & kept).sum()) for k in range(num_classes)],
    ]


def as_lists(counts: ImageCounts) -> list[list[int]]:
    arrays = (counts.intersection, counts.predicted, counts.labelled)
    assert all(array.dtype == np.int64 for array in arrays)
    return [array.tolist() for array in arrays]


def noise(seed: int, shape: tuple[int, ...], num_classes: int, ignore: int) -> tuple[Map, Map]:
    rng = np.random.default_rng(seed)
    prediction, truth = rng.integers(num_classes, size=(2, *shape))
    truth[rng.random(shape) < 0.2] = ignore
    return prediction, truth


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.int64])
def test_blobs_are_counted_exactly_in_every_dtype(seed: int, dtype: type) -> None:
    prediction, truth = pair_with_gaps(seed)
    counted = count_image(prediction.astype(dtype), truth, 12)
    assert as_lists(counted) == plain_counts(prediction, truth, 12, 255)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 5), (3, 1), (7, 9), (16, 16), (33, 31)])
@pytest.mark.parametrize("num_classes", [1, 2, 20, 254, 255])
def test_noise_of_every_size_is_counted_exactly(shape: tuple[int, int], num_classes: int) -> None:
    prediction, truth = noise(shape[0] * shape[1] + num_classes, shape, num_classes, 255)
    counted = count_image(prediction.astype(np.uint8), truth.astype(np.uint8), num_classes)
    assert as_lists(counted) == plain_counts(prediction, truth, num_classes, 255)


@pytest.mark.parametrize(
    ("num_classes", "ignore", "dtype"),
    [
        (459, 65535, np.uint16),
        (847, 65535, np.uint16),
        (847, -1, np.int16),
        (300, 1000, np.int32),
        (9, 11, np.uint8),
    ],
)
def test_large_vocabularies_and_other_ignore_values(num_classes: int, ignore: int, dtype: type) -> None:
    prediction, truth = noise(num_classes, (40, 50), num_classes, ignore)
    counted = count_image(prediction.astype(dtype), truth.astype(dtype), num_classes, ignore)
    assert as_lists(counted) == plain_counts(prediction, truth, num_classes, ignore)


def test_a_constant_image_is_one_run() -> None:
    counted = count_image(np.full((30, 41), 3, np.uint8), np.full((30, 41), 3, np.uint8), 5)
    assert as_lists(counted) == [[0, 0, 0, 1230, 0]] * 3


def test_a_wholly_ignored_image_counts_nothing() -> None:
    counted = count_image(np.zeros((5, 6), np.uint8), np.full((5, 6), 255, np.uint8), 4)
    assert as_lists(counted) == [[0] * 4] * 3


def test_a_prediction_on_an_ignored_pixel_is_no_false_positive() -> None:
    truth = np.array([[0, 0, 255]], np.uint8)
    counted = count_image(np.array([[0, 0, 1]], np.uint8), truth, 2)
    assert counted.predicted.tolist() == [2, 0]


def test_views_that_are_not_contiguous_count_like_copies() -> None:
    prediction, truth = pair_with_gaps(3)
    counted = count_image(prediction.T[::2], truth.T[::2], 12)
    assert as_lists(counted) == plain_counts(prediction.T[::2], truth.T[::2], 12, 255)


def test_cpu_tensors_are_taken_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    prediction, truth = pair_with_gaps(4)
    counted = count_image(torch.from_numpy(prediction).long(), torch.from_numpy(truth), 12, image_id="a")
    assert as_lists(counted) == plain_counts(prediction, truth, 12, 255)
    assert counted.image_id == "a"


def test_a_tensor_elsewhere_is_sent_to_the_other_counter() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"prediction lies on meta.*count_tensor"):
        count_image(torch.zeros(2, 2, dtype=torch.long, device="meta"), np.zeros((2, 2), np.uint8), 3)


class TestWhatIsRefused:
    def test_a_prediction_outside_names_the_labels_and_their_pixels(self) -> None:
        prediction = np.array([[0, 1, 20, 20], [20, 255, 0, 0]])
        with pytest.raises(
            ScoresError, match=r"^im7: .*label 20 on 3 pixels, label 255 on 1 pixels.*0 to 19"
        ):
            count_image(prediction.astype(np.uint8), np.zeros((2, 4), np.uint8), 20, image_id="im7")
        with pytest.raises(ScoresError, match="label 20 on 3 pixels"):
            count_image(prediction, np.zeros((2, 4), np.int64), 20)

    def test_a_prediction_outside_is_an_error_on_ignored_pixels_too(self) -> None:
        with pytest.raises(ScoresError, match="label 2 on 1 pixels"):
            count_image(np.array([[0, 2]], np.uint8), np.array([[0, 255]], np.uint8), 2)

    def test_a_negative_prediction(self) -> None:
        with pytest.raises(ScoresError, match="label -1 on 2 pixels"):
            count_image(np.array([[0, -1, -1]]), np.zeros((1, 3), np.uint8), 2)

    def test_many_labels_outside_are_cut_short(self) -> None:
        with pytest.raises(ScoresError, match="label 14 on 1 pixels and 3 more labels"):
            count_image(np.arange(18)[None], np.zeros((1, 18), np.uint8), 10)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int32])
    @pytest.mark.parametrize("value", [20, 21, 254])
    def test_a_ground_truth_outside(self, dtype: type, value: int) -> None:
        truth = np.array([[0, value, 255, value]], dtype)
        with pytest.raises(
            DataError, match=f"im: the ground truth holds label {value} on 2 pixels.*0 to 19 and 255"
        ):
            count_image(np.zeros((1, 4), np.uint8), truth, 20, image_id="im")

    def test_a_ground_truth_of_255_where_something_else_is_ignored(self) -> None:
        with pytest.raises(DataError, match="label 255 on 1 pixels"):
            count_image(np.zeros((1, 2), np.uint8), np.array([[0, 255]], np.uint8), 20, ignore=254)

    def test_shapes_that_differ_name_both(self) -> None:
        with pytest.raises(ScoresError, match=r"im: .*375 x 500 but the ground truth 366 x 500"):
            count_image(np.zeros((375, 500), np.uint8), np.zeros((366, 500), np.uint8), 20, image_id="im")

    @pytest.mark.parametrize("values", [np.zeros((2, 2)), np.zeros((2, 2), bool)])
    def test_maps_that_are_not_of_integers(self, values: NDArray[np.generic]) -> None:
        with pytest.raises(TypeError, match="prediction must be a map of integer labels"):
            count_image(values, np.zeros((2, 2), np.uint8), 2)
        with pytest.raises(TypeError, match="ground truth must be a map of integer labels"):
            count_image(np.zeros((2, 2), np.uint8), values, 2)

    def test_requests_that_make_no_sense(self) -> None:
        map8, map16 = np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint16)
        with pytest.raises(ValueError, match="without pixels"):
            count_image(np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8), 2)
        with pytest.raises(ValueError, match="vocabulary of 0 classes"):
            count_image(map8, map8, 0)
        with pytest.raises(ValueError, match="ignore=255 is one of the 459 classes"):
            count_image(map16, map16, 459)
        with pytest.raises(ValueError, match="labels up to 255 cannot name 459 classes"):
            count_image(map8, map16, 459, ignore=65535)


class TestCounts:
    @pytest.fixture
    def rows(self) -> list[ImageCounts]:
        return [count_image(*pair_with_gaps(seed), 12, image_id=f"image{seed}") for seed in range(4)]

    def test_collecting_summing_and_joining(self, rows: list[ImageCounts]) -> None:
        counts = Counts.from_images(rows)
        assert (counts.num_images, counts.num_classes) == (4, 12)
        assert counts.total().labelled.tolist() == np.sum([row.labelled for row in rows], 0).tolist()
        halves = [Counts.from_images(rows[:1]), Counts.empty(12), Counts.from_images(rows[1:])]
        assert Counts.concatenate(halves) == counts
        assert counts.total().intersection.dtype == np.int64

    def test_the_sum_is_the_count_of_all_pixels_together(self) -> None:
        pairs = [pair_with_gaps(seed) for seed in range(3)]
        total = Counts.from_images(
            [count_image(*p, 12, image_id=str(i)) for i, p in enumerate(pairs)]
        ).total()
        together = count_image(*(np.concatenate(maps) for maps in zip(*pairs, strict=True)), 12)
        assert as_lists(total) == as_lists(together)

    def test_selecting_images_in_another_order(self, rows: list[ImageCounts]) -> None:
        chosen = Counts.from_images(rows).select(["image3", "image0"])
        assert chosen == Counts.from_images([rows[3], rows[0]])
        with pytest.raises(ValueError, match="no counts for image 'imageX'"):
            Counts.from_images(rows).select(["image1", "imageX"])

    def test_equality_looks_at_every_part(self, rows: list[ImageCounts]) -> None:
        counts = Counts.from_images(rows)
        assert counts == Counts(counts.image_ids, *(a.tolist() for a in _arrays(counts)))
        assert counts != Counts(("a", "b", "c", "d"), *_arrays(counts))
        assert counts != Counts.from_images(rows[:2])
        assert counts != "counts"

    def test_they_cannot_be_changed(self, rows: list[ImageCounts]) -> None:
        with pytest.raises(ValueError, match="read-only"):
            Counts.from_images(rows).predicted[0, 0] = 1

    def test_an_image_twice(self, rows: list[ImageCounts]) -> None:
        with pytest.raises(ValueError, match="'image1' is counted twice"):
            Counts.from_images([*rows, rows[1]])

    def test_nothing_to_collect(self) -> None:
        with pytest.raises(ValueError, match="no images"):
            Counts.from_images([])

    @pytest.mark.parametrize(
        ("intersection", "predicted", "labelled", "message"),
        [
            ([[1, 0]], [[2, 0]], [[1, 0]], "'x': 2 predicted but 1 labelled"),
            (
                [[3, 0]],
                [[2, 1]],
                [[3, 0]],
                "'x', class 0: an intersection of 3 with 2 predicted and 3 labelled",
            ),
            ([[0, -1]], [[1, 0]], [[1, 0]], "class 1: an intersection of -1"),
            ([[0]], [[1, 0]], [[1, 0]], "one shape"),
            ([[1]] * 2, [[1]] * 2, [[1]] * 2, "1 image ids for 2 rows"),
            (np.zeros((1, 0), int), np.zeros((1, 0), int), np.zeros((1, 0), int), "no classes"),
        ],
    )
    def test_counts_that_no_label_maps_have(self, intersection, predicted, labelled, message: str) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(ValueError, match=message):
            Counts(("x",), intersection, predicted, labelled)

    def test_counts_are_integers(self) -> None:
        with pytest.raises(TypeError, match="predicted: counts are integers, not float64"):
            Counts(("x",), np.ones((1, 2), int), np.ones((1, 2)), np.ones((1, 2), int))


def _arrays(counts: Counts) -> tuple[Map, Map, Map]:
    return counts.intersection, counts.predicted, counts.labelled


def test_the_room_needs_no_torch_until_it_counts_a_tensor() -> None:
    code = (
        "import sys, benchbed.metrics as m; assert 'torch' not in sys.modules; "
        "import numpy as np; m.count_image(np.zeros((2, 2), int), np.zeros((2, 2), int), 2); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert callable(metrics.count_tensor)


def test_the_room_has_only_the_names_it_lists() -> None:
    import benchbed.metrics

    with pytest.raises(AttributeError, match="no attribute 'confusion'"):
        _ = benchbed.metrics.confusion


def test_the_maps_of_these_tests_are_blobs() -> None:
    labels = blobs(np.random.default_rng(0), 80, 90, np.arange(5), 20)
    assert labels.shape == (80, 90)
    assert np.unique(labels).size >= 3
    assert (np.diff(labels.ravel()) != 0).mean() < 0.2
