"""CLIP's image tower as OpenAI published it, in plain torch: the yardstick, which must not get faster when benchbed does."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class PlainBlock(nn.Module):
    """Pre-norm attention and a four-fold wide QuickGELU MLP; tokens [T, B, width], sequence first as in OpenAI's code.

    Sequence first also keeps `nn.MultiheadAttention` off its inference fast path, as it does there.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        """One block, every token computed."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(tokens))
        return tokens + cast(Tensor, self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden)))


class PlainTower(nn.Module):
    """Parameters are named as below `visual.` in OpenAI's checkpoints; the defaults are ViT-B/16's."""

    def __init__(
        self, side: int = 224, patch: int = 16, width: int = 768, layers: int = 12, embed_dim: int = 512
    ) -> None:
        super().__init__()
        tokens = 1 + (side // patch) ** 2
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn(tokens, width) * width**-0.5)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.ModuleDict(
            {"resblocks": nn.Sequential(*(PlainBlock(width, width // 64) for _ in range(layers)))}
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, embed_dim) * width**-0.5)

    def forward(self, crops: Tensor) -> Tensor:
        """[B, 3, side, side] to [B, embed_dim], not normalised; all B in one pass."""
        patches = self.conv1(crops).flatten(2).transpose(1, 2)
        cls = self.class_embedding.expand(len(crops), 1, -1)
        tokens = self.ln_pre(torch.cat([cls, patches], 1) + self.positional_embedding)
        mixed = self.transformer["resblocks"](tokens.transpose(0, 1)).transpose(0, 1)
        return cast(Tensor, self.ln_post(mixed[:, 0]) @ self.proj)
