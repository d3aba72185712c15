"""How far a mask's logits are from a binary mask: focal, binary cross-entropy and dice, one for one and pair by pair.

MaskFormer's and Mask2Former's definitions (arXiv 2107.06278 section 3.3, arXiv 2112.01527 section 4). Pixels, or sampled points,
lie along the last dimension, `P`. A weight of 0 takes a pixel out as though the image never had it; weights are 0 or 1.
Everything is computed in the dtype given: hand over float32, since a sum over 1e5 pixels overflows half.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

PixelLoss = Literal["bce", "focal"]
# arXiv 1708.02002, table 1b; kept by DETR and MaskFormer.
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each pixel; any one shape, targets in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def focal(logits: Tensor, targets: Tensor, alpha: float = FOCAL_ALPHA, gamma: float = FOCAL_GAMMA) -> Tensor:
    """Sigmoid focal loss of each pixel (arXiv 1708.02002, equation 5); any one shape, targets in [0, 1]."""
    probability = logits.sigmoid()
    # 1 - p_t, the probability given to the wrong answer.
    missed = probability + targets - 2 * probability * targets
    balance = (1 - alpha) + (2 * alpha - 1) * targets
    return balance * missed.pow(gamma) * bce(logits, targets)


def mean_over_pixels(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """[N, P] and weights [N, P] -> [N], the mean over the pixels of weight 1, or 0 where there is none."""
    if weights is None:
        return losses.mean(-1)
    return (losses * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def dice(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 - (2 |p t| + 1) / (|p| + |t| + 1), |.| summing over pixels: [N, P], [N, P], weights [N, P] -> [N]."""
    probability = logits.sigmoid()
    if weights is not None:
        probability, targets = probability * weights, targets * weights
    shared = (probability * targets).sum(-1)
    return 1 - (2 * shared + 1) / (probability.sum(-1) + targets.sum(-1) + 1)


def pair_pixel_costs(
    kind: PixelLoss,
    logits: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    alpha: float = FOCAL_ALPHA,
    gamma: float = FOCAL_GAMMA,
) -> Tensor:
    """The mean pixel loss of every query against every target, by two matrix products.

    Linear in the target between its values at 0 and 1, as the official matchers are; that equals `bce` everywhere and
    `focal` on binary targets.

    Args:
        kind: which loss; alpha and gamma are of `focal`.
        logits: [B, Q, P].
        targets: [B, T, P] in [0, 1].
        weights: [B, P] 0 or 1, or None for all 1.

    Returns:
        [B, Q, T].
    """
    background = F.softplus(logits)
    object_ = background - logits
    if kind == "focal":
        probability = logits.sigmoid()
        background = (1 - alpha) * probability.pow(gamma) * background
        object_ = alpha * (1 - probability).pow(gamma) * object_
    if weights is None:
        fixed = background.mean(-1, keepdim=True)
        return torch.bmm(object_ - background, targets.transpose(1, 2)) / logits.shape[-1] + fixed
    counted = weights.sum(-1).clamp(min=1)[:, None, None]
    difference = torch.bmm(object_ - background, (targets * weights[:, None]).transpose(1, 2))
    return (difference + torch.bmm(background, weights[..., None])) / counted


def pair_dice_costs(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """`dice` of every query with every target: [B, Q, P], [B, T, P], weights [B, P] -> [B, Q, T]."""
    probability = logits.sigmoid()
    if weights is not None:
        probability, targets = probability * weights[:, None], targets * weights[:, None]
    shared = torch.bmm(probability, targets.transpose(1, 2))
    areas = probability.sum(-1)[:, :, None] + targets.sum(-1)[:, None, :]
    return 1 - (2 * shared + 1) / (areas + 1)
