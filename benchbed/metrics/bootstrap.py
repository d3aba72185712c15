"""Bootstrap intervals over images: how much a number would move with another sample of photos.

Images are drawn with replacement, as many as there are; each draw gives every image a weight (how often it
was drawn), the weighted sums of the counts give every number anew, and the interval holds the middle of them
(the percentile interval: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3). hIoU is
computed within every replicate, never from the intervals of its two parts.

The weights depend on the number of images, the number of replicates and the seed alone, so all methods
measured on the same images share them, and their differences are paired (`benchbed.metrics.paired`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from benchbed.metrics.counts import Counts
from benchbed.metrics.iou import METRICS, AbsentRule, FloatArray, class_iou, metrics_of, seen_mask

# Enough that each end of a 95 % interval rests on 50 replicates; 20 ms for the 1,449 images of VOC.
REPLICATES = 2000
LEVEL = 0.95

# Largest number of float64 in one chunk of weights or of sums: 8 MiB each.
_CHUNK = 2**20
# Largest number of float64 that is kept between calls: 32 MiB, enough for 2,000 draws of VOC's 1,449 images.
_KEPT = 2**22


@dataclass(frozen=True, slots=True)
class Interval:
    """A bootstrap interval.

    Attributes:
        low, high: its ends, in the unit of the number (fractions); NaN if no replicate gave a number.
        level: the share of replicates inside, 0.95 for instance.
        replicates: how many replicates gave a number. Fewer than were asked for means that some drew no image
            with a class of one side (seen or unseen), where the number does not exist.
    """

    low: float
    high: float
    level: float
    replicates: int


def intervals(
    counts: Counts,
    seen: ArrayLike,
    rule: AbsentRule | str,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """The interval of every number in `METRICS`, by name.

    A single image has nothing to vary: its interval is degenerate (low equals high) and says nothing about
    other images. So few images as to make an interval shaky are the reader's to judge; `counts.num_images`
    tells.

    Args:
        counts: of one or more images.
        seen: bool `[K]`, as for `accuracy`.
        rule: for absent classes, applied anew in every replicate.
        replicates: number of draws.
        level: share of replicates inside the interval, in (0, 1).
        seed: of the draws (PCG64).

    Raises:
        ValueError: no image, no replicate, or a level outside (0, 1).
    """
    numbers = replicate_metrics(counts, seen, rule, replicates, seed)
    stacked = np.stack([numbers[name] for name in METRICS])
    if np.isnan(stacked).any():
        return {name: interval_of(numbers[name], level) for name in METRICS}
    ends = _ends(stacked, level)  # all at once: a report has thousands
    return {
        name: Interval(float(low), float(high), level, replicates)
        for name, low, high in zip(METRICS, *ends, strict=True)
    }


def class_intervals(
    counts: Counts,
    rule: AbsentRule | str,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """The interval of every class's IoU, K of them, in vocabulary order; arguments as for `intervals`."""
    rule = AbsentRule(rule)
    chunks = [class_iou(*sums, rule) for sums in resampled_sums(counts, replicates, seed)]
    return tuple(interval_of(column, level) for column in np.concatenate(chunks).T)


def replicate_metrics(
    counts: Counts, seen: ArrayLike, rule: AbsentRule | str, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, FloatArray]:
    """Every number of `METRICS` in every replicate, `[replicates]` each, NaN where it does not exist."""
    mask, rule = seen_mask(seen, counts.num_classes), AbsentRule(rule)
    chunks = [metrics_of(*sums, mask, rule) for sums in resampled_sums(counts, replicates, seed)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in METRICS}


def resampled_sums(
    counts: Counts, replicates: int, seed: int
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Chunks of weighted sums: intersection, predicted and labelled pixels, `[b, K]` float64 each.

    Products and sums of integers below 2**53 are exact in float64, whatever order a BLAS adds them in, so the
    same draws give the same sums on every machine.
    """
    if counts.num_images == 0:
        raise ValueError("a bootstrap over no images")
    if replicates < 1:
        raise ValueError(f"a bootstrap of {replicates} replicates")
    stacked = np.concatenate((counts.intersection, counts.predicted, counts.labelled), 1).astype(np.float64)
    rows = max(1, _CHUNK // max(stacked.shape))
    for weights in _weights(counts.num_images, replicates, seed, rows):
        intersection, predicted, labelled = np.split(weights @ stacked, 3, 1)
        yield intersection, predicted, labelled


def _weights(num_images: int, replicates: int, seed: int, rows: int) -> Iterator[FloatArray]:
    """As `draw_weights`; small ones are kept, for all methods on the same images share them."""
    if num_images * replicates > _KEPT:
        yield from draw_weights(num_images, replicates, seed, rows)
        return
    kept = _kept_weights(num_images, replicates, seed)
    for start in range(0, replicates, rows):
        yield kept[start : start + rows]


@lru_cache(maxsize=2)
def _kept_weights(num_images: int, replicates: int, seed: int) -> FloatArray:
    (weights,) = draw_weights(num_images, replicates, seed, replicates)
    weights.setflags(write=False)
    return weights


def draw_weights(num_images: int, replicates: int, seed: int, rows: int) -> Iterator[FloatArray]:
    """Multinomial weights, float64 `[at most rows, N]` at a time; each row sums to N. The stream ignores
    `rows`.

    Drawing N indices and counting them is the same distribution as a multinomial draw, and ten times faster
    than numpy's, which goes through N binomials.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, replicates, rows):
        count = min(rows, replicates - start)
        drawn = generator.integers(num_images, size=(count, num_images))
        drawn += np.arange(count)[:, None] * num_images
        weights = np.bincount(drawn.ravel(), minlength=count * num_images)
        yield weights.reshape(count, num_images).astype(np.float64)


def interval_of(values: FloatArray, level: float) -> Interval:
    """The percentile interval of replicates `[B]`, NaN among them left out.

    Raises ValueError for a level that is not in (0, 1).
    """
    _check_level(level)
    there = values[~np.isnan(values)]
    if there.size == 0:
        return Interval(math.nan, math.nan, level, 0)
    low, high = _ends(there, level)
    return Interval(float(low), float(high), level, int(there.size))


def _ends(values: FloatArray, level: float) -> FloatArray:
    """[2, ...]: what lies between holds this share of the last axis."""
    _check_level(level)
    ends: FloatArray = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=-1)
    return ends


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level={level} is not between 0 and 1")
