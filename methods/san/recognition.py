"""CLIP's blocks with one extra token a mask, whose attention to the patches the biases steer.

In the official code mask tokens, CLS and patches run as one sequence under a mask: a mask token sees itself and, through its
bias, the patches; CLS and patches see each other as in CLIP and no mask token (san/model/clip_utils/visual.py). So nothing that a
mask token does reaches the patches, and they can run before any mask is known. Here they do, through all blocks; the mask tokens
follow, with what they see of each block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.clip_block import onlooking_block, watched_block

# Not minus infinity in the official code (san/model/clip_utils/visual.py); exp(-100) is nothing.
BLOCKED: Final = -100.0


@dataclass(frozen=True)
class Seen:
    """CLIP without any mask.

    Attributes:
        states: tokens [B, 1 + h*w, width] after the blocks that were asked for, 0 being before the first; CLS first.
        patches: of each block that recognises, keys and values [B, heads, h*w, width / heads].
        grid: (h, w).
    """

    states: dict[int, Tensor]
    patches: tuple[tuple[Tensor, Tensor], ...]
    grid: tuple[int, int]


def see(
    blocks: Iterable[nn.Module], tokens: Tensor, grid: tuple[int, int], shallow: int, kept: Collection[int]
) -> Seen:
    """Run CLS and patches through all of CLIP's blocks.

    Args:
        blocks: all of them.
        tokens: [B, 1 + h*w, width], before the first.
        grid: (h, w).
        shallow: how many blocks come before those that recognise.
        kept: after which blocks the tokens are wanted.
    """
    states, patches = {0: tokens} if 0 in kept else {}, []
    for index, block in enumerate(blocks, start=1):
        tokens, keys, values = watched_block(block, tokens)
        if index in kept:
            states[index] = tokens
        if index > shallow:
            patches.append((keys[:, :, 1:], values[:, :, 1:]))
    return Seen(states, tuple(patches), grid)


def steering(bias: Tensor, grid: tuple[int, int]) -> Tensor:
    """The biases [B, heads, Q, H, W] at CLIP's patches, by adaptive max pooling: [B, heads, Q, h*w]."""
    return F.adaptive_max_pool2d(bias.flatten(1, 2), grid).view(*bias.shape[:3], -1)


def recognise(blocks: Sequence[nn.Module], cls: Tensor, seen: Seen, bias: Tensor) -> Tensor:
    """Run the mask tokens through the blocks that recognise.

    Args:
        blocks: those, in order.
        cls: [B, 1, width], CLS after the last shallow block: what every mask token starts as.
        seen: of all blocks.
        bias: [B, heads, Q, h*w], from `steering`; all blocks share it.

    Returns:
        [B, Q, width], before `ln_post`.
    """
    tokens = cls.expand(-1, bias.shape[2], -1)
    for block, (keys, values) in zip(blocks, seen.patches, strict=True):
        tokens = onlooking_block(block, tokens, keys, values, bias)
    return tokens
