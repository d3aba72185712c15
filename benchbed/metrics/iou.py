"""Accuracy from counts alone: IoU under each published rule for absent classes, and what is averaged from it.

All numbers are float64 fractions in [0, 1], never rounded and never percent; a number that does not exist is
NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchbed.metrics.counts import Counts, ImageCounts

FloatArray = NDArray[np.float64]


class AbsentRule(StrEnum):
    """Which classes a mean over classes counts when the ground truth lacks some of them.

    The three published rules agree if every class occurs in the ground truth. If not, they differ by points:
    62.1, 62.1 and 69.0 were seen for one confusion matrix (performance.md, section 1), so the rule is part of
    the protocol. Each holds within the seen and within the unseen classes just as it does over all of them.
    """

    GROUND_TRUTH_ONLY = "ground-truth-only"
    """Classes with ground-truth pixels; one that is only predicted is left out. detectron2's source since
    commit f3c1bc19 of 2022-07-06 (`iou_valid = acc_valid and union > 0`). Its version number stayed 0.6."""

    UNION = "union"
    """Classes with ground-truth or predicted pixels; one that is only predicted counts 0. mmsegmentation's
    IoUMetric (the NaN of 0 / 0 is skipped), the detectron2 v0.6 release, and zsseg's and DeOP's evaluator
    (SPLITS.md)."""

    ALL_CLASSES = "all-classes"
    """Every class of the vocabulary; an absent one counts 0, in the mean accuracy too. ZS3
    (`nanmean(nan_to_num(iou))`, zs3/utils/metrics.py) and LSeg with PyTorch-Encoding's SegmentationMetric."""


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """Every accuracy number of one method on one set of images; fractions in [0, 1] or NaN.

    Attributes:
        miou: mean IoU over the classes that `rule` counts.
        seen_miou, unseen_miou: the same within the seen and the unseen classes; NaN if `rule` counts none of
            them.
        hiou: harmonic mean 2 s u / (s + u) of the two means (not of single classes); 0 if both are 0, NaN if
            either is.
        pixel_accuracy: labelled pixels that were predicted right.
        mean_accuracy: mean over classes of the labelled pixels predicted right; classes without ground truth
            are left out, except under `all-classes`, where they count 0.
        frequency_weighted_iou: IoU weighted by each class's share of the labelled pixels; the same under
            every rule.
        class_iou: `[K]` float64; NaN where `rule` leaves the class out.
        class_accuracy: `[K]` float64; NaN where the class is left out of `mean_accuracy`.
        rule: the rule for absent classes.
    """

    miou: float
    seen_miou: float
    unseen_miou: float
    hiou: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float
    class_iou: FloatArray
    class_accuracy: FloatArray
    rule: AbsentRule

    def numbers(self) -> dict[str, float]:
        """The seven numbers that are not per class, by name."""
        return {name: getattr(self, name) for name in METRICS}


METRICS = (
    "miou",
    "seen_miou",
    "unseen_miou",
    "hiou",
    "pixel_accuracy",
    "mean_accuracy",
    "frequency_weighted_iou",
)


def accuracy(counts: Counts | ImageCounts, seen: ArrayLike, rule: AbsentRule | str) -> Accuracy:
    """Accuracy over all images of `counts` together: areas are summed first and divided then.

    Args:
        counts: of one or more images, or their sum.
        seen: bool `[K]`, True for the classes whose masks the method was trained with. All True is a
            vocabulary without unseen classes: unseen mIoU and hIoU are then NaN.
        rule: what happens to absent classes.

    Raises:
        TypeError: `seen` is not boolean (a list of indices would be taken for something else).
        ValueError: `seen` is not of shape `[K]`, or there is no such rule.
    """
    total = counts.total() if isinstance(counts, Counts) else counts
    rule = AbsentRule(rule)
    sums = (total.intersection, total.predicted, total.labelled)
    numbers = metrics_of(*sums, seen_mask(seen, total.intersection.shape[-1]), rule)
    return Accuracy(
        **{name: float(number) for name, number in numbers.items()},
        class_iou=class_iou(*sums, rule),
        class_accuracy=class_accuracy(total.intersection, total.labelled, rule),
        rule=rule,
    )


def metrics_of(
    intersection: NDArray[np.number],
    predicted: NDArray[np.number],
    labelled: NDArray[np.number],
    seen: NDArray[np.bool_],
    rule: AbsentRule,
) -> dict[str, FloatArray]:
    """The numbers of `METRICS` for many sums at once (the bootstrap's): `[..., K]` in, `[...]` out."""
    iou = class_iou(intersection, predicted, labelled, rule)
    seen_miou, unseen_miou = _mean(iou[..., seen]), _mean(iou[..., ~seen])
    pixels = labelled.sum(-1)
    covered = np.where(labelled > 0, iou, 0.0)
    return {
        "miou": _mean(iou),
        "seen_miou": seen_miou,
        "unseen_miou": unseen_miou,
        "hiou": harmonic_mean(seen_miou, unseen_miou),
        "pixel_accuracy": _ratio(intersection.sum(-1), pixels),
        "mean_accuracy": _mean(class_accuracy(intersection, labelled, rule)),
        "frequency_weighted_iou": _ratio((labelled * covered).sum(-1), pixels),
    }


def class_iou(
    intersection: NDArray[np.number],
    predicted: NDArray[np.number],
    labelled: NDArray[np.number],
    rule: AbsentRule,
) -> FloatArray:
    """IoU of each class, `[..., K]`: I / (predicted + labelled - I); NaN where `rule` leaves it out."""
    iou = _ratio(intersection, predicted + labelled - intersection)
    if rule is AbsentRule.GROUND_TRUTH_ONLY:
        return np.where(labelled > 0, iou, np.nan)
    return iou if rule is AbsentRule.UNION else np.nan_to_num(iou, nan=0.0)


def class_accuracy(
    intersection: NDArray[np.number], labelled: NDArray[np.number], rule: AbsentRule
) -> FloatArray:
    """Each class's labelled pixels that were predicted right, `[..., K]`; NaN where left out."""
    share = _ratio(intersection, labelled)
    return np.nan_to_num(share, nan=0.0) if rule is AbsentRule.ALL_CLASSES else share


def harmonic_mean(seen: FloatArray, unseen: FloatArray) -> FloatArray:
    """2 s u / (s + u), element by element; 0 where both are 0, NaN where either is NaN."""
    total = seen + unseen
    return np.where(total == 0, 0.0, 2 * seen * unseen / np.where(total == 0, 1.0, total))


def seen_mask(seen: ArrayLike, num_classes: int) -> NDArray[np.bool_]:
    """`seen` as a bool array `[K]`. Raises TypeError if it is not boolean, ValueError for another shape."""
    mask = np.asarray(seen)
    if mask.dtype != np.bool_:
        raise TypeError(f"seen is a bool for each class, not an array of {mask.dtype}")
    if mask.shape != (num_classes,):
        raise ValueError(f"seen has the shape {mask.shape}, but the counts have {num_classes} classes")
    return mask


def _ratio(numerator: NDArray[np.number], denominator: NDArray[np.number]) -> FloatArray:
    """Division with NaN for 0 / 0, in silence."""
    empty = denominator == 0
    return np.where(empty, np.nan, numerator / np.where(empty, 1, denominator))


def _mean(values: FloatArray) -> FloatArray:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0.0).sum(-1), there.sum(-1))
