"""The bridge: a convolutional branch over features and a transformer branch over class tokens, fused both ways.

Mobile-Former's block (Chen et al., CVPR 2022) with text embeddings as its global tokens: our reading of the abstract's "parallel
design of a CNN and a transformer with a two-way bridge in between".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.bridge.sizes import BridgeSize


class VisualToText(nn.Module):
    """Class tokens ask pixels: keys and values are the features as they are, without a projection (Mobile -> Former)."""

    def __init__(self, size: BridgeSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.query = nn.Linear(size.width, size.width)
        self.out = nn.Linear(size.width, size.width)
        self.norm = nn.LayerNorm(size.width)

    def forward(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """Tokens [B, K, C] and pixels [B, h*w, C] to tokens [B, K, C], normalised after the sum."""
        asked = attention(self.query(tokens), pixels, pixels, self.heads)
        result: Tensor = self.norm(tokens + self.out(asked))
        return result


class TextBranch(nn.Module):
    """Self-attention over class tokens, then an MLP, each normalised after its sum (Former)."""

    def __init__(self, size: BridgeSize) -> None:
        super().__init__()
        self.heads = size.heads
        width = size.width
        if size.class_self_attention:
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
            self.norm1 = nn.LayerNorm(width)
        self.mixes = size.class_self_attention
        self.mlp = nn.Sequential(
            nn.Linear(width, size.expansion * width), nn.GELU(), nn.Linear(size.expansion * width, width)
        )
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, K, C] to the same shape."""
        if self.mixes:
            query, key, value = self.qkv(tokens).chunk(3, dim=-1)
            tokens = self.norm1(tokens + self.out(attention(query, key, value, self.heads)))
        result: Tensor = self.norm2(tokens + self.mlp(tokens))
        return result


class VisualBranch(nn.Sequential):
    """An inverted bottleneck: 1x1, depthwise 3x3, 1x1, each with batch norm (MobileNetV2's block)."""

    def __init__(self, size: BridgeSize) -> None:
        wide = size.expansion * size.width
        super().__init__(
            nn.Conv2d(size.width, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, size.width, 1, bias=False),
            nn.BatchNorm2d(size.width),
        )


class TextToVisual(nn.Module):
    """Pixels ask class tokens: queries are the features as they are (Former -> Mobile)."""

    def __init__(self, size: BridgeSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.key = nn.Linear(size.width, size.width)
        self.value = nn.Linear(size.width, size.width)
        self.null = nn.Parameter(torch.zeros(1, 1, size.width)) if size.null_token else None

    def forward(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        """Pixels [B, h*w, C] and tokens [B, K, C] to what is added to the pixels [B, h*w, C]."""
        if self.null is not None:
            tokens = torch.cat([self.null.expand(len(tokens), -1, -1).to(tokens.dtype), tokens], 1)
        return attention(pixels, self.key(tokens), self.value(tokens), self.heads)


class BridgeLayer(nn.Module):
    """One layer: text looks at pixels, thinks, while pixels are convolved; then pixels look at text."""

    def __init__(self, size: BridgeSize) -> None:
        super().__init__()
        self.visual_to_text = VisualToText(size) if size.visual_to_text else None
        self.text = TextBranch(size) if size.tokens else None
        self.visual = VisualBranch(size) if size.convolutions else None
        self.text_to_visual = TextToVisual(size) if size.text_to_visual else None

    def forward(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, C, h, w] and tokens [B, K, C] to both, fused."""
        if self.visual_to_text is not None:
            tokens = self.visual_to_text(tokens, flat(features))
        if self.text is not None:
            tokens = self.text(tokens)
        if self.visual is not None:
            features = features + self.visual(features)
        if self.text_to_visual is not None:
            added = self.text_to_visual(flat(features), tokens)
            features = features + added.transpose(1, 2).unflatten(2, features.shape[2:])
        return features, tokens


def flat(features: Tensor) -> Tensor:
    """[B, C, h, w] to [B, h*w, C]."""
    return features.flatten(2).transpose(1, 2)


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention without projections, scale (C / heads)^-0.5: [B, L, C] from L queries and M keys."""
    parts = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in (query, key, value))
    return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
