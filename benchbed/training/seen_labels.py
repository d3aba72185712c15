"""From a dataset's labels to those that a loss may see: seen classes 0..S-1, everything else ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from numpy.typing import NDArray

IGNORED: Final = 255
# Label maps have 8 or 16 bits; a look-up table covers both.
_VALUES: Final = 1 << 16


def seen_table(seen: Sequence[bool]) -> tuple[int, ...]:
    """For each of K labels, its place among the seen classes, 0..S-1 in label order, or 255 for an unseen one.

    Args:
        seen: the K flags of a dataset's card; `Vocabulary.seen_only()` keeps the same order.

    Raises:
        ValueError: no class is seen, or more than 255 are, so that a label would coincide with "ignored".
    """
    if not 0 < sum(seen) <= IGNORED:
        raise ValueError(f"{sum(seen)} of {len(seen)} classes are seen: expected 1 to {IGNORED}")
    places = np.cumsum(seen) - 1
    return tuple(int(place) if flag else IGNORED for place, flag in zip(places, seen, strict=True))


def seen_only(labels: NDArray[np.integer], table: Sequence[int]) -> NDArray[np.uint8]:
    """A label map [H, W] of whole numbers -> [H, W] uint8: 0..S-1 for the seen classes, 255 for all other values.

    Args:
        labels: 0..K-1 and anything else; what is not 0..K-1 (255, 65535, any other) is ignored.
        table: from `seen_table`.

    Raises:
        TypeError: labels are no whole numbers.
    """
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels are {labels.dtype}: whole numbers are expected")
    lookup = np.full(_VALUES, IGNORED, np.uint8)
    lookup[: len(table)] = table
    if labels.dtype not in (np.uint8, np.uint16):
        wide = labels.astype(np.int64)
        labels = np.where((wide < 0) | (wide >= len(table)), _VALUES - 1, wide)
    chosen: NDArray[np.uint8] = lookup[labels]
    return chosen


@TRANSFORMS.register_module()
class BenchbedSeenLabels(BaseTransform):  # type: ignore[misc]
    """`seen_only` on every label map of a results dict; the first transform of a training pipeline.

    Being first, it leaves nothing of an unseen class to the transforms that follow.

    Args:
        table: from `seen_table`.
    """

    def __init__(self, table: Sequence[int]) -> None:
        self.table = tuple(table)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace `gt_seg_map` (and other `seg_fields`) [H, W] by uint8 maps of 0..S-1 and 255."""
        for field in results["seg_fields"]:
            results[field] = seen_only(results[field], self.table)
        return results

    def __repr__(self) -> str:
        kept = sum(place != IGNORED for place in self.table)
        return f"{type(self).__name__}({kept} of {len(self.table)} classes)"
