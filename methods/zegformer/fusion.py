"""How the two streams' opinions become one class score a query (the paper's section 3.4, as coded)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

LAMBDA: Final = 2 / 3  # hard-coded in the official code


def clip_probabilities(clip_logits: Tensor, nothing: Tensor) -> Tensor:
    """Softmax over the classes by CLIP and no-object by the OTHER stream, whose raw logit stands in the last column.

    Args:
        clip_logits: [..., Q, K].
        nothing: [..., Q].

    Returns:
        [..., Q, K], no-object dropped after the softmax.
    """
    return torch.cat([clip_logits, nothing[..., None]], dim=-1).softmax(dim=-1)[..., :-1]


def fuse(head: Tensor, clip: Tensor, seen: Tensor) -> Tensor:
    """Weighted geometric mean: a seen class trusts the trained head, an unseen one CLIP.

    For seen classes CLIP's probability is first replaced by its mean over all seen classes, so that CLIP says how likely any
    of them is and the head says which.

    Args:
        head, clip: [..., Q, K] probabilities.
        seen: [K] bool.

    Returns:
        [..., Q, K], not normalised.
    """
    mean = (clip * seen).sum(dim=-1, keepdim=True) / seen.sum().clamp(min=1)
    for_seen = head**LAMBDA * mean ** (1 - LAMBDA)
    for_unseen = head ** (1 - LAMBDA) * clip**LAMBDA
    return torch.where(seen, for_seen, for_unseen)
