"""What SAN says under training: proposals of the last side blocks, and the names that CLIP gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchbed.segmenter import TextFeatures
from methods.parts.set_criterion import MaskOutput
from methods.san.mask_decoder import Proposals
from methods.san.recognition import Seen

if TYPE_CHECKING:
    from methods.san.model import SAN


def supervised_proposals(san: SAN, images: Tensor, supervised: int) -> tuple[list[Proposals], Seen]:
    """What the last `supervised` (1 or more) side blocks propose for images [B, 3, H, W], and CLIP's own pass.

    Returns:
        masks [B, Q, h, w] and biases [B, heads, Q, h, w] of each block, the last block first; what CLIP sees without any mask.
    """
    seen = san.see(san.clip_input(images))
    tokens, side_grid = san.side.last_blocks(images, seen.states, seen.grid, supervised)
    return [san.decoder(queries, patches, side_grid) for queries, patches in reversed(tokens)], seen


def outputs(san: SAN, images: Tensor, text: TextFeatures, supervised: int) -> list[MaskOutput]:
    """Masks and class logits of the last `supervised` side blocks, the last block first.

    Mask decoder and CLIP's deep blocks are shared. A mask token sees none of another mask, so that CLIP names the masks of all
    blocks in one pass; the authors run one a block, with the same result.

    Args:
        san: the network.
        images: [B, 3, H, W].
        text: K classes; class logits are [B, Q, K + 1].
        supervised: at least 1.

    Returns:
        mask logits [B, Q, h, w] and class logits [B, Q, K + 1] of each block.
    """
    proposed, seen = supervised_proposals(san, images, supervised)
    together = Proposals(
        torch.cat([each.masks for each in proposed], 1), torch.cat([each.bias for each in proposed], 2)
    )
    logits = san.classify(san.name(together, seen), text)
    named = logits.split(san.size.queries, dim=1)
    return [MaskOutput(each.masks, classes) for each, classes in zip(proposed, named, strict=True)]
