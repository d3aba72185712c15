"""The same integers counted on the accelerator, without making the host wait for it at every image.

mmsegmentation copies three histograms an image to the host, and each copy makes the host wait for the whole
forward pass. Here every image leaves one small tensor on its device, and `collect` fetches those of many
images in one copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchbed.metrics.counting import IGNORE
from benchbed.metrics.counts import ImageCounts, Int64Array
from benchbed.metrics.outside import check_request, refuse_prediction, refuse_truth

# What follows the 3 K counts in a packed row: pixels with a ground truth outside, the smallest such value,
# pixels with a prediction outside, the smallest such value.
_REPORT = 4


@dataclass(frozen=True, slots=True, eq=False)
class TensorCounts:
    """One image's counts, still on the device.

    Attributes:
        packed: `[3 K + 4]` int64: intersection, predicted, labelled, then what lies outside the vocabulary,
            which is only looked at by `collect`, because looking needs the host.
        num_classes: K.
        ignore: the ground-truth value of unlabelled pixels.
        image_id: the image's name.
    """

    packed: Tensor
    num_classes: int
    ignore: int
    image_id: str = ""


def count_tensor(
    prediction: Tensor, truth: Tensor, num_classes: int, ignore: int = IGNORE, image_id: str = ""
) -> TensorCounts:
    """Count one image on the device of `prediction`; nothing here waits for the device.

    Args:
        prediction: label map `[H, W]` of an integer dtype, every pixel in `[0, num_classes)`.
        truth: ground truth `[H, W]` of an integer dtype, in `[0, num_classes)` or `ignore`; copied to the
            prediction's device if it is elsewhere (pinned memory lets that copy run beside other work).
        num_classes: K.
        ignore: the ground-truth value of unlabelled pixels.
        image_id: the image's name, for `collect` and its messages.

    Raises:
        ScoresError: the shapes differ.
        TypeError: a map is not of integers.
        ValueError: a map without pixels, an `ignore` that is a class, or a prediction too narrow for K.
    """
    _check_arguments(prediction, truth, num_classes, ignore, image_id)
    labels = prediction.reshape(-1).long()
    target = truth.to(prediction.device, non_blocking=True).reshape(-1).long()
    wrong_labels = (labels < 0) | (labels >= num_classes)
    wrong_target = ((target < 0) | (target >= num_classes)) & (target != ignore)
    table = _table(labels, target, wrong_labels, wrong_target, num_classes)
    kept = table[:num_classes, :num_classes]
    report = [*_seen_outside(target, wrong_target), *_seen_outside(labels, wrong_labels)]
    packed = torch.cat((kept.diagonal(), kept.sum(0), kept.sum(1), torch.stack(report)))
    return TensorCounts(packed, num_classes, ignore, image_id)


def collect(rows: Sequence[TensorCounts]) -> list[ImageCounts]:
    """Fetch the counts of images over one vocabulary in one copy from the device, and check them.

    Raises:
        ScoresError: a prediction held a label outside the vocabulary; the message names the smallest.
        DataError: a ground truth held a value that is neither a class nor its `ignore`.
    """
    if not rows:
        return []
    host = torch.stack([row.packed for row in rows]).cpu().numpy()
    return [_unpack(row, values) for row, values in zip(rows, host, strict=True)]


def _table(
    labels: Tensor, target: Tensor, wrong_labels: Tensor, wrong_target: Tensor, num_classes: int
) -> Tensor:
    """Joint histogram `[K + 1, K + 1]`, ground truth by prediction; the last place is ignored or outside.

    A scatter and not torch.bincount, which asks the device for the largest key before it starts, a wait for
    the host (aten/src/ATen/native/cuda/SummaryOps.cu).
    """
    side = num_classes + 1
    left_out = wrong_target | (target < 0) | (target >= num_classes)
    rows = target.masked_fill(left_out, num_classes)
    columns = labels.masked_fill(wrong_labels, num_classes)
    table = torch.zeros(side * side, dtype=torch.int64, device=labels.device)
    table.scatter_add_(0, rows * side + columns, torch.ones_like(rows))
    return table.view(side, side)


def _seen_outside(labels: Tensor, wrong: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels are wrong and the smallest of those, two int64 scalars on the device."""
    largest = torch.iinfo(torch.int64).max
    return wrong.sum(), labels.masked_fill(~wrong, largest).amin()


def _unpack(row: TensorCounts, values: Int64Array) -> ImageCounts:
    counts, report = np.split(values, [values.size - _REPORT])
    truth_pixels, truth_value, prediction_pixels, prediction_value = (int(number) for number in report)
    if truth_pixels:
        found = _found(truth_value, truth_pixels)
        refuse_truth(found, row.num_classes, row.ignore, row.image_id)
    if prediction_pixels:
        refuse_prediction(_found(prediction_value, prediction_pixels), row.num_classes, row.image_id)
    intersection, predicted, labelled = counts.reshape(3, row.num_classes)
    return ImageCounts(intersection, predicted, labelled, row.image_id)


def _found(smallest: int, pixels: int) -> str:
    return f"labels outside the vocabulary on {pixels} pixels, the smallest being label {smallest},"


def _check_arguments(prediction: Tensor, truth: Tensor, num_classes: int, ignore: int, image_id: str) -> None:
    for what, labels in (("prediction", prediction), ("ground truth", truth)):
        if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
            raise TypeError(f"the {what} must be a map of integer labels, not of {labels.dtype}")
    largest = torch.iinfo(prediction.dtype).max
    check_request(tuple(prediction.shape), tuple(truth.shape), largest, num_classes, ignore, image_id)
