"""Crops through CLIP's image tower, a bounded number at a time: what the two-stream methods spend nearly all their time on."""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.clip import ImageTower
from benchbed.clip_block import mixing_block

# Crops a pass. They bound activations: ViT-B/16 holds about 7 MB a crop at once. On a CPU fewer are faster, too, since the
# four-fold wide layers then stay nearer to the cores: 0.34 s of CPU time a crop by 8, 0.39 s by 32 (EPYC, AVX-512).
CROPS_PER_PASS: Final = 32
CROPS_PER_CPU_PASS: Final = 8


def encode_crops(
    visual: ImageTower, crops: Tensor, chunk: int | None = None, whole_last_block: bool = False
) -> Tensor:
    """CLIP's image embeddings of crops.

    Only CLS is read after the last block, so that there queries, output projection and MLP of the patches are a dead branch:
    left out unless `whole_last_block`, which the official code computes. The numbers are the same but for float rounding;
    ViT-B/16 saves 2.43 of 35.13 GFLOPs a crop.

    Args:
        visual: the tower; weights of bfloat16 or an autocast around the call are both in order.
        crops: [N, 3, S, S] normalised for CLIP, S its image size; N may be 0.
        chunk: crops a pass; None means 8 on a CPU and 32 elsewhere.
        whole_last_block: compute the last block for every token, as published.

    Returns:
        [N, embed_dim], unit norm.

    Raises:
        ValueError: `chunk` is not positive.
    """
    if chunk is None:
        chunk = CROPS_PER_CPU_PASS if crops.device.type == "cpu" else CROPS_PER_PASS
    if chunk < 1:
        raise ValueError(f"chunk is {chunk} crops; expected at least 1")
    embedded = [_embed(visual, part, whole_last_block) for part in crops.split(chunk)]
    return F.normalize(torch.cat(embedded), dim=-1)


def _embed(visual: ImageTower, crops: Tensor, whole_last_block: bool) -> Tensor:
    """[n, 3, S, S] -> [n, embed_dim], not normalised."""
    tokens, _ = visual.tokens(crops.to(visual.conv1.weight.dtype))
    *early, last = visual.transformer.resblocks
    for block in early:
        tokens = mixing_block(block, tokens)
    cls = mixing_block(last, tokens)[:, 0] if whole_last_block else cls_only(last, tokens)
    embedded: Tensor = visual.ln_post(cls) @ visual.proj
    return embedded


def cls_only(block: nn.Module, tokens: Tensor) -> Tensor:
    """A transformer block's first token alone: all tokens give keys and values, the first one asks.

    Args:
        block: one of CLIP's blocks.
        tokens: [N, T, width], CLS first.

    Returns:
        [N, width], what `block(tokens)[:, 0]` is.
    """
    parts: Any = block
    normed = parts.ln_1(tokens)
    attended = parts.attn(normed[:, :1], normed, normed, need_weights=False)[0]
    cls = tokens[:, 0] + attended[:, 0]
    result: Tensor = cls + parts.mlp(parts.ln_2(cls))
    return result
