"""Accuracy with its uncertainty, from integer counts. Needs numpy alone; only `count_tensor` loads torch.

`count_image` counts one image, `Counts.from_images` collects many; `accuracy` turns counts into numbers,
`intervals` into their uncertainty, and `paired_differences` tells two methods apart on the same images.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from benchbed.metrics.bootstrap import LEVEL, REPLICATES, Interval, class_intervals, intervals
from benchbed.metrics.counting import IGNORE, count_image
from benchbed.metrics.counts import Counts, ImageCounts
from benchbed.metrics.iou import METRICS, AbsentRule, Accuracy, accuracy
from benchbed.metrics.paired import Difference, holm, paired_differences

if TYPE_CHECKING:
    from benchbed.metrics.counts_tensor import TensorCounts, collect, count_tensor

__all__ = [
    "IGNORE",
    "LEVEL",
    "METRICS",
    "REPLICATES",
    "AbsentRule",
    "Accuracy",
    "Counts",
    "Difference",
    "ImageCounts",
    "Interval",
    "TensorCounts",
    "accuracy",
    "class_intervals",
    "collect",
    "count_image",
    "count_tensor",
    "holm",
    "intervals",
    "paired_differences",
]

_WITH_TORCH = ("TensorCounts", "collect", "count_tensor")


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'benchbed.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module("benchbed.metrics.counts_tensor"), name)
