"""FLOPs of turning scores into labels, by formula: `benchbed.scores` works in pieces, whose products add up to these."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchbed.scores import Scores


def label_map_flops(scores: Scores) -> int:
    """2 * Q * K FLOPs for each pixel at which masks and classes are multiplied; none for dense scores.

    Masks are multiplied at the original image's size (`resize-logits`) or at the resized image's (`resize-scores`), as
    `MaskScores` defines. Resizing, sigmoid and argmax are not counted.
    """
    from benchbed.scores import MaskScores

    if not isinstance(scores, MaskScores):
        return 0
    queries, classes = scores.class_scores.shape[1:]
    at_original = scores.order == "resize-logits"
    pixels = sum(prod(each.original if at_original else each.valid) for each in scores.geometry)
    return int(2 * queries * classes * pixels)
