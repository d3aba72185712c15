"""CLIP's deep blocks with one extra token a mask, whose attention the biases steer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.clip_block import mixing_block

# Finite in the official code, not -inf (clip_utils/visual.py); in effect exp(-100) is nothing.
BLOCKED: Final = -100.0


def attention_mask(bias: Tensor, grid: tuple[int, int]) -> Tensor:
    """The additive mask over the sequence [Q mask tokens; CLS; h*w patches].

    A mask token sees itself and, through its bias, the patches; neither CLS nor another mask token. CLS and
    patches see each other as in CLIP and no mask token, so that the masks cannot disturb CLIP's features.

    Args:
        bias: [B, heads, Q, H, W] at the side network's resolution.
        grid: CLIP's (h, w); the bias is brought there by adaptive max pooling.

    Returns:
        [B * heads, T, T] with T = Q + 1 + h*w, rows the queries; same dtype as `bias`.
    """
    batch, heads, count = bias.shape[:3]
    pooled = F.adaptive_max_pool2d(bias.flatten(1, 2), grid).view(batch * heads, count, -1)
    length = count + 1 + pooled.shape[2]
    mask = bias.new_zeros(batch * heads, length, length)
    mask[:, :, :count] = BLOCKED
    mask[:, :count, :count].diagonal(dim1=1, dim2=2).zero_()
    mask[:, :count, count] = BLOCKED
    mask[:, :count, count + 1 :] = pooled
    return mask


def recognise(blocks: Iterable[nn.Module], state: Tensor, mask: Tensor) -> Tensor:
    """Run the deep blocks.

    Args:
        blocks: CLIP's remaining blocks; all share the one mask.
        state: [B, 1 + h*w, width], tokens after the last shallow block, CLS first.
        mask: [B * heads, T, T] from `attention_mask`.

    Returns:
        [B, Q, width]: the mask tokens, which start as copies of CLS; before `ln_post`.
    """
    count = mask.shape[-1] - state.shape[1]
    tokens = torch.cat([state[:, :1].expand(-1, count, -1), state], 1)
    for block in blocks:
        tokens = mixing_block(block, tokens, mask)
    return tokens[:, :count]
