"""Random label maps for the metrics' tests: blobs like real ones, with noise, ignored rows and missing classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
IGNORE = 255


def blobs(rng: np.random.Generator, height: int, width: int, classes: NDArray[np.int_], cell: int) -> Labels:
    """The largest of one smooth random field a class, `[height, width]`; `cell` pixels a hill."""
    grid = rng.standard_normal((classes.size, height // cell + 2, width // cell + 2))
    fields = stretch(height, cell) @ grid @ stretch(width, cell).T
    return classes[fields.argmax(0)].astype(np.uint8)


def stretch(size: int, cell: int) -> NDArray[np.float64]:
    """Linear interpolation of knots `cell` pixels apart, `[size, knots]`."""
    knots = np.arange(size // cell + 2)
    return np.maximum(0, 1 - np.abs(np.arange(size)[:, None] / cell - knots))


def median3(labels: Labels) -> Labels:
    """The 3 x 3 median filter."""
    padded = np.pad(labels, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return np.median(windows.reshape(*labels.shape, 9), axis=2).astype(np.uint8)


def voc_size_pair(seed: int, num_classes: int = 20) -> tuple[Labels, Labels]:
    """Prediction and ground truth of 375 x 500: blobs, 10 % label noise median-filtered, 5 % ignored rows."""
    rng = np.random.default_rng(seed)
    everything = np.arange(num_classes)
    truth = blobs(rng, 375, 500, everything, 56)
    other = blobs(rng, 375, 500, everything, 56)
    prediction = np.where(blobs(rng, 375, 500, np.arange(2), 100) == 0, truth, other)
    noisy = rng.random(truth.shape) < 0.1
    prediction[noisy] = rng.integers(num_classes, size=int(noisy.sum()))
    truth[::20] = IGNORE
    return median3(prediction), truth


def pair_with_gaps(
    seed: int, num_classes: int = 12, height: int = 61, width: int = 83
) -> tuple[Labels, Labels]:
    """Prediction and ground truth in which class 0 is nowhere, 1 only predicted, 2 only in the ground truth."""
    rng = np.random.default_rng(seed)
    truth = blobs(rng, height, width, np.r_[2:num_classes], 12)
    prediction = truth.copy()
    wrong = rng.random(truth.shape) < 0.3
    prediction[wrong] = rng.integers(1, num_classes, size=int(wrong.sum()))
    prediction[prediction == 2] = 1
    truth[rng.random(truth.shape) < 0.1] = IGNORE
    return prediction, truth
