"""Counting one image's label maps on the CPU, exactly, about as fast as numpy can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchbed.metrics.counts import ImageCounts
from benchbed.metrics.outside import check_request, describe, refuse_prediction, refuse_truth
from benchbed.metrics.runs import IntArray, Runs, runs_of

# The value of an unlabelled pixel in 8-bit label maps: PASCAL VOC's void, mmsegmentation's `ignore_index`,
# `ignore_label` in every official register file (SPLITS.md). 16-bit maps of more than 255 classes use 65535.
IGNORE = 255


def count_image(
    prediction: ArrayLike,
    truth: ArrayLike,
    num_classes: int,
    ignore: int = IGNORE,
    image_id: str = "",
) -> ImageCounts:
    """Intersection, predicted and labelled pixels of every class in one image.

    Args:
        prediction: the method's label map, `[H, W]`, of any integer dtype: a numpy array, a CPU tensor, or
            anything else with `__array__`. Every pixel lies in `[0, num_classes)`, ignored ones included: a
            label outside means that the method's class list is not the vocabulary, wherever in the image it
            shows.
        truth: the ground truth, `[H, W]`, in `[0, num_classes)` or `ignore`. Its ignored pixels count
            nowhere.
        num_classes: K, the size of the vocabulary.
        ignore: the ground-truth value of unlabelled pixels; not a class.
        image_id: the image's name, for the result and for error messages.

    Returns:
        `ImageCounts`, `[K]` int64 each, exact.

    Raises:
        ScoresError: the prediction's shape differs from the ground truth's, or it holds a label outside the
            vocabulary; the message names the labels and their number of pixels.
        DataError: the ground truth holds a value that is neither a class nor `ignore`.
        TypeError: a map is not of integers, or lies on an accelerator (`count_tensor` counts there).
        ValueError: a map without pixels, an `ignore` that is a class, or a prediction too narrow for the
            vocabulary.
    """
    predicted, labelled = _integers(prediction, "prediction"), _integers(truth, "ground truth")
    largest = int(np.iinfo(predicted.dtype).max)
    check_request(predicted.shape, labelled.shape, largest, num_classes, ignore, image_id)
    runs = runs_of(predicted, labelled)
    _check_labels(runs, num_classes, ignore, image_id)
    if _fits_bytes(runs, num_classes, ignore):
        return _count_bytes(runs, num_classes, image_id)
    return _count_any(runs, num_classes, ignore, image_id)


def _count_bytes(runs: Runs, num_classes: int, image_id: str) -> ImageCounts:
    """Counts from one weighted histogram of joint keys, for uint8 maps with 255 ignored and K <= 255.

    Adding 1 in uint8 takes 255 to row 0 and class k to row k + 1, so the ignored pixels are a row that is
    sliced off and nothing is ever masked. The largest key, 255 * 255 + 254, still fits uint16.
    """
    keys = (runs.truth + np.uint8(1)).astype(np.uint16)
    keys *= num_classes
    keys += runs.prediction
    table = np.bincount(keys, weights=runs.length, minlength=(num_classes + 1) * num_classes)
    labelled = table.reshape(num_classes + 1, num_classes)[1:].astype(np.int64)
    return ImageCounts(labelled.diagonal().copy(), labelled.sum(0), labelled.sum(1), image_id)


def _count_any(runs: Runs, num_classes: int, ignore: int, image_id: str) -> ImageCounts:
    """Counts from three histograms, for any dtype and any K: a K x K table would outgrow the caches."""
    kept = runs.truth != ignore
    prediction, truth = runs.prediction[kept].astype(np.intp), runs.truth[kept].astype(np.intp)
    length = runs.length[kept]
    right = prediction == truth

    def histogram(labels: NDArray[np.intp], pixels: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.bincount(labels, weights=pixels, minlength=num_classes).astype(np.int64)

    return ImageCounts(
        histogram(truth[right], length[right]),
        histogram(prediction, length),
        histogram(truth, length),
        image_id,
    )


def _fits_bytes(runs: Runs, num_classes: int, ignore: int) -> bool:
    byte_maps = runs.prediction.dtype == np.uint8 and runs.truth.dtype == np.uint8
    return byte_maps and num_classes <= IGNORE and ignore == IGNORE


def _check_labels(runs: Runs, num_classes: int, ignore: int, image_id: str) -> None:
    """Look at every run's two labels; the common case costs two maxima over the runs."""
    wrong = _outside(runs.truth, num_classes, ignore)
    if wrong is not None:
        refuse_truth(describe(runs.truth[wrong], runs.length[wrong]), num_classes, ignore, image_id)
    wrong = _outside(runs.prediction, num_classes, None)
    if wrong is not None:
        refuse_prediction(describe(runs.prediction[wrong], runs.length[wrong]), num_classes, image_id)


def _outside(labels: IntArray, num_classes: int, ignore: int | None) -> NDArray[np.bool_] | None:
    """Where labels `[R]` are neither a class nor `ignore`, or None if nowhere."""
    if ignore == IGNORE and labels.dtype == np.uint8 and (labels + np.uint8(1)).max() <= num_classes:
        return None
    if labels.max() < num_classes and labels.min() >= 0:
        return None
    wrong = (labels < 0) | (labels >= num_classes)
    if ignore is not None:
        wrong &= labels != ignore
    return wrong if wrong.any() else None


def _integers(labels: ArrayLike, what: str) -> NDArray[np.integer[Any]]:
    device = getattr(getattr(labels, "device", None), "type", "cpu")
    if device != "cpu":
        raise TypeError(
            f"the {what} lies on {device}; count it there with count_tensor, or copy it to the CPU"
        )
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"the {what} must be a map of integer labels, not of {array.dtype}")
    return array
