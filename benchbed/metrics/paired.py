"""Is one method better than another on the same images? Paired bootstrap differences, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchbed.errors import UsageError
from benchbed.metrics.bootstrap import LEVEL, REPLICATES, Interval, interval_of, replicate_metrics
from benchbed.metrics.counts import Counts
from benchbed.metrics.iou import METRICS, AbsentRule, FloatArray, accuracy


@dataclass(frozen=True, slots=True)
class Difference:
    """First method minus second, for one number.

    Attributes:
        value: the difference on the images themselves, a fraction in [-1, 1]; NaN if the number does not
            exist.
        interval: its bootstrap interval; both methods see the same draws.
        p_value: two-sided bootstrap p-value against no difference; NaN if no replicate gave a number.
    """

    value: float
    interval: Interval
    p_value: float


def paired_differences(
    first: Counts,
    second: Counts,
    seen: ArrayLike,
    rule: AbsentRule | str,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Difference]:
    """The difference of two methods in every number of `METRICS`, by name.

    Drawing the same images for both removes what they share (some photos are hard for everyone), so the
    interval of the difference is far narrower than two separate intervals suggest.

    Args:
        first, second: counts of the same images, in any order, under the same vocabulary.
        seen, rule, replicates, level, seed: as for `benchbed.metrics.intervals`.

    Raises:
        UsageError: an image is in one and not in the other, or has other ground-truth pixels; the message
            names the first such image.
        ValueError: different numbers of classes, no image, no replicate, or a level outside (0, 1).
    """
    second = aligned(first, second)
    ours, theirs = (replicate_metrics(counts, seen, rule, replicates, seed) for counts in (first, second))
    numbers, others = (accuracy(counts, seen, rule).numbers() for counts in (first, second))
    return {
        name: difference(numbers[name], others[name], ours[name], theirs[name], level) for name in METRICS
    }


def difference(
    first: float, second: float, ours: FloatArray, theirs: FloatArray, level: float = LEVEL
) -> Difference:
    """The difference of one number of two methods, from the number on the images and its replicates `[B]` of the same draws."""
    return Difference(first - second, interval_of(ours - theirs, level), two_sided_p(ours - theirs))


def two_sided_p(differences: FloatArray) -> float:
    """Two-sided p-value of replicate differences `[B]`: twice the smaller tail beyond 0, at most 1.

    This inverts the percentile interval: but for a replicate more or less, it falls below 1 - level where
    that interval leaves 0 out. One is added to tail and total, so that it is never 0: B replicates cannot tell
    less than 2 / (B + 1) (Davison and Hinkley, Bootstrap Methods and their Application, 1997, equation 4.11).
    """
    there = differences[~np.isnan(differences)]
    if there.size == 0:
        return math.nan
    tail = min(int((there <= 0).sum()), int((there >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (there.size + 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction of several comparisons: p-values to be held against one common level.

    The i-th smallest of m is multiplied by m - i + 1, never falls below the one before it and never exceeds 1
    (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979). NaN stays NaN and is not counted
    among the m.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    wrong = {name: p for name, p in p_values.items() if not math.isnan(p) and not 0 <= p <= 1}
    if wrong:
        raise ValueError(f"not p-values: {wrong}")
    ordered = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    adjusted = dict.fromkeys(p_values, math.nan)
    running = 0.0
    for place, (p, name) in enumerate(ordered):
        running = max(running, min(1.0, p * (len(ordered) - place)))
        adjusted[name] = running
    return adjusted


def aligned(first: Counts, second: Counts) -> Counts:
    """`second` in the order of `first`, once they are known to be counts of the same labelled images.

    Raises UsageError and ValueError as `paired_differences`.
    """
    if first.num_classes != second.num_classes:
        raise ValueError(f"{first.num_classes} classes against {second.num_classes}")
    for one, other, where in ((first, second, "second"), (second, first, "first")):
        there = set(other.image_ids)
        absent = next((image_id for image_id in one.image_ids if image_id not in there), None)
        if absent is not None:
            raise UsageError(
                f"image {absent!r} is not among the {other.num_images} images of the {where} method; a "
                "paired comparison needs both measured on the same images: run both with the same dataset, "
                "split and --limit"
            )
    second = second.select(first.image_ids)
    differs = (first.labelled != second.labelled).any(1)
    if differs.any():
        raise UsageError(
            f"image {first.image_ids[int(np.argmax(differs))]!r} has other ground-truth pixels in the two "
            "measurements; run both under the same protocol (resize and ignore rules) and data"
        )
    return second
