"""Two streams' class probabilities and their weighted geometric mean (section 3.3; zero_shot_mask_former_model.py)."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.full_precision import full_precision

SCALE: Final = 100.0  # a constant of both streams; CLIP's own logit_scale is not used


def class_logits(features: Tensor, classifier: Tensor, scale: float = SCALE) -> Tensor:
    """`scale` times the cosine of features [..., D] of any norm with unit-norm rows [C, D]: [..., C].

    Always float32: at a scale of 100 bfloat16 would round logits to the nearest half.
    """
    with full_precision(features):
        return scale * F.normalize(features.float(), dim=-1) @ classifier.float().T


def own_probabilities(embeddings: Tensor, text: Tensor, nothing: Tensor, scale: float = SCALE) -> Tensor:
    """The proposals' own stream: softmax WITH the no-object class, which is dropped after it, so that rows sum to less than 1.

    Args:
        embeddings: [B, Q, D] of the class head, of any norm.
        text: [K, D] unit norm.
        nothing: [1, D], of any norm.
        scale: of the cosines.

    Returns:
        [B, Q, K] float32.
    """
    return class_logits(embeddings, with_no_object(text, nothing), scale).softmax(-1)[..., :-1]


def crop_probabilities(features: Tensor, text: Tensor, scale: float = SCALE) -> Tensor:
    """The crop stream: softmax over the classes alone, since no-object is dropped BEFORE it.

    Args:
        features: [N, D] of CLIP's image tower.
        text: [K, D] unit norm.
        scale: of the cosines.

    Returns:
        [N, K] float32, rows summing to 1.
    """
    return class_logits(features, text, scale).softmax(-1)


def with_no_object(text: Tensor, nothing: Tensor) -> Tensor:
    """[K + 1, D] unit-norm rows: the classes, then no-object."""
    return torch.cat([text.float(), F.normalize(nothing.float(), dim=-1)])


def fuse(own: Tensor, crops: Tensor, kept: Tensor, seen: Tensor, weight: float) -> Tensor:
    """One image's class scores: own^w * crop^(1-w) for seen classes, own^(1-w) * crop^w for unseen ones.

    Nothing is normalised again. An empty proposal has no crop; its factor is 1, so that it stays in the sum.

    Args:
        own: [Q, K] probabilities of the proposals' own stream.
        crops: [N, K] probabilities of the crop stream.
        kept: [N] which proposals the crops are of.
        seen: [K] bool.
        weight: w; 0 or less takes the crops alone, and empty proposals not at all.

    Returns:
        [Q, K] float32.
    """
    if weight <= 0:
        return torch.zeros_like(own).index_copy(0, kept, crops)
    shown = torch.ones_like(own).index_copy(0, kept, crops)
    own_share = torch.where(seen, weight, 1 - weight).to(own.dtype)
    crop_share = torch.where(seen, 1 - weight, weight).to(own.dtype)
    return own.pow(own_share) * shown.pow(crop_share)
