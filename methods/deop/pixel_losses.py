"""DeOP's losses of its last stage: each pixel's class probabilities against the label map, without matching.

Written from a description of the released criterion, whose code has no licence and was never opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.full_precision import full_precision
from methods.parts.matcher import IGNORED, nearest

SHARPNESS: Final = 3.0  # OUTPUT_SIG
FLOOR: Final = 1e-4  # the focal loss's clamp of probabilities, at both ends


@dataclass(frozen=True)
class PixelLosses:
    """`losses(class_logits, mask_logits, labels)`: a focal and a dice loss, weighted; defaults are the released script's.

    Attributes:
        focal_weight, dice_weight: of the two losses.
        alpha, gamma: of the focal loss.
        resolution: masks are enlarged to the `labels`, as published, or labels are shrunk to the mask `logits`: 16 times cheaper.
        ignored: pixels labelled 255 are taught to be `no-object`, as published, or `left-out` of both losses.
    """

    focal_weight: float = 2.0
    dice_weight: float = 0.8
    alpha: float = 0.25
    gamma: float = 2.0
    resolution: Literal["labels", "logits"] = "labels"
    ignored: Literal["no-object", "left-out"] = "no-object"

    def __post_init__(self) -> None:
        words = {"resolution": ("labels", "logits"), "ignored": ("no-object", "left-out")}
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {known}")

    def __call__(self, class_logits: Tensor, mask_logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The two losses.

        Args:
            class_logits: [B, Q, K + 1], no-object last.
            mask_logits: [B, Q, h, w]; query i names mask i.
            labels: [B, H, W] int64, 0..K-1 or 255.

        Returns:
            `loss_focal` and `loss_dice`, scalars, float32.

        Raises:
            ValueError: a label that is neither ignored nor one of the K classes.
        """
        alien = labels[(labels >= class_logits.shape[-1] - 1) & (labels != IGNORED)]
        if len(alien):
            raise ValueError(
                f"label {int(alien[0])} found, expected 0..{class_logits.shape[-1] - 2} or {IGNORED}"
            )
        with full_precision(class_logits):
            if self.resolution == "logits":
                labels = nearest(labels, (mask_logits.shape[2], mask_logits.shape[3]), centred=True)
            found = pixel_probabilities(class_logits.float(), mask_logits.float(), labels.shape[1:])
            counted = (
                labels != IGNORED if self.ignored == "left-out" else torch.ones_like(labels, dtype=torch.bool)
            )
            classes = found.shape[1] - 1
            names = labels.masked_fill(labels == IGNORED, classes)[counted]
            wanted = F.one_hot(names, classes + 1).to(found.dtype)
            rows = found.permute(0, 2, 3, 1)[counted]
            return {
                "loss_focal": self.focal_weight * focal_mean(rows, wanted, self.alpha, self.gamma),
                "loss_dice": self.dice_weight * dice_of_all(rows[:, :-1], wanted[:, :-1]),
            }


def pixel_probabilities(class_logits: Tensor, mask_logits: Tensor, size: torch.Size) -> Tensor:
    """sigmoid(3 (s - 1)) of s, the sum over queries of class probability times mask probability.

    Args:
        class_logits: [B, Q, K + 1].
        mask_logits: [B, Q, h, w], resized as logits.
        size: (H, W) wanted.

    Returns:
        [B, K + 1, H, W]; 0.5 where one query is sure of class and mask.
    """
    if mask_logits.shape[-2:] != size:
        mask_logits = F.interpolate(mask_logits, size=tuple(size), mode="bilinear", align_corners=False)
    scores = torch.einsum("bqk,bqhw->bkhw", class_logits.softmax(-1), mask_logits.sigmoid())
    return (SHARPNESS * scores - SHARPNESS).sigmoid()


def focal_mean(found: Tensor, wanted: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss of probabilities `found` against `wanted` 0 or 1, any one shape, averaged; 0 of nothing."""
    sure = found.clamp(FLOOR, 1 - FLOOR)
    hit = alpha * (1 - sure).pow(gamma) * sure.log() * wanted
    miss = (1 - alpha) * sure.pow(gamma) * (1 - sure).log() * (1 - wanted)
    return -(hit + miss).sum() / max(found.numel(), 1)


def dice_of_all(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1), one fraction over all pixels and classes of the batch."""
    return 1 - (2 * (found * wanted).sum() + 1) / (found.sum() + wanted.sum() + 1)
