"""What the small CLIP's image tower says of regions: by CLS tokens that see a region alone, and by the region's patches."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.clip import ImageTower
from benchbed.clip_block import mixing_block, value_block

BLOCKED: Final = -100.0  # exp(-100) is nothing; SAN's mask tokens are steered in the same way
EARLY: Final = 1  # blocks that see the whole picture before the regions part


def encode_regions(
    visual: ImageTower, images: Tensor, regions: Tensor, cover: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Two embeddings a region.

    Args:
        visual: the tower.
        images: [B, 3, H, W], normalised.
        regions: [B, n, h * w] bool over the grid of patches, none of them empty.
        cover: [B, h * w], times the patches' values in the last block; None for 1.

    Returns:
        [B * n, embed_dim] of CLS tokens, and the mean over the region's patches of the last block's value path, each of unit
        norm before the mean: [B * n, embed_dim]; float32.
    """
    tokens, _ = visual.tokens(images)
    blocks = visual.transformer.resblocks
    for block in blocks[:EARLY]:
        tokens = mixing_block(block, tokens)
    count = regions.shape[1]
    mask = region_mask(regions).repeat_interleave(blocks[0].attn.num_heads, 0)
    tokens = torch.cat([tokens[:, :1].expand(-1, count, -1), tokens], 1)
    for block in blocks[EARLY:-1]:
        tokens = mixing_block(block, tokens, mask)
    named = mixing_block(blocks[-1], tokens, mask)[:, :count]
    whole = (visual.ln_post(named) @ visual.proj).float()
    patches = visual.ln_post(value_block(blocks[-1], tokens[:, count + 1 :], cover)) @ visual.proj
    shares = regions.float() / regions.sum(2, keepdim=True)
    return whole.flatten(0, 1), (shares @ F.normalize(patches.float(), dim=-1)).flatten(0, 1)


def region_mask(regions: Tensor) -> Tensor:
    """Added to attention logits [B, T, T], T = n + 1 + h * w: a region's token sees itself and its patches; the others as ever.

    Args:
        regions: [B, n, h * w] bool.
    """
    batch, count, patches = regions.shape
    length = count + 1 + patches
    mask = torch.zeros(batch, length, length, device=regions.device)
    mask[:, :, :count] = BLOCKED
    mask[:, :count, count] = BLOCKED
    mask[:, :count, :count].diagonal(dim1=1, dim2=2).zero_()
    mask[:, :count, count + 1 :].masked_fill_(~regions, BLOCKED)
    return mask
