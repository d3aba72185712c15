"""The DPT decoder as LSeg's code has it: with batch norm, no bias before it, corners aligned (lseg_blocks.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualUnit(nn.Module):
    """x + BN(conv(ReLU(BN(conv(ReLU(x)))))), 3x3 convolutions without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, h, w] to the same shape."""
        inner = self.bn1(self.conv1(F.relu(x)))
        outer: Tensor = self.bn2(self.conv2(F.relu(inner))) + x
        return outer


class Fusion(nn.Module):
    """Add a lateral map, refine, double the size, mix channels.

    Args:
        channels: in and out.
        lateral: whether a lateral map joins; the coarsest block has none, and no parameters for it.
    """

    def __init__(self, channels: int, lateral: bool) -> None:
        super().__init__()
        self.skip = ResidualUnit(channels) if lateral else None
        self.refine = ResidualUnit(channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, lateral: Tensor | None = None) -> Tensor:
        """[B, channels, h, w], twice, to [B, channels, 2h, 2w]."""
        if self.skip is not None and lateral is not None:
            x = x + self.skip(lateral)
        mixed: Tensor = self.out(doubled(self.refine(x)))
        return mixed


class Decoder(nn.Module):
    """Four levels to one map of pixel embeddings at stride 2.

    Args:
        pyramid: channels of the levels, finest first.
        features: channels inside.
        embed_dim: of the text embeddings that pixels will meet.
    """

    def __init__(self, pyramid: Sequence[int], features: int, embed_dim: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Conv2d(level, features, 3, padding=1, bias=False) for level in pyramid
        )
        coarsest = len(pyramid) - 1
        self.fusion = nn.ModuleList(
            Fusion(features, lateral=index < coarsest) for index in range(len(pyramid))
        )
        self.head = nn.Conv2d(features, embed_dim, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16 and 32 to pixel embeddings [B, embed_dim, H / 2, W / 2], not normalised."""
        embeddings: Tensor = self.head(self.paths(levels)[0])
        return embeddings

    def paths(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Outputs [B, features, ., .] of the fusion blocks, the finest (stride 2) first."""
        path: Tensor | None = None
        found: list[Tensor] = []
        for level, lateral, fusion in reversed(list(zip(levels, self.lateral, self.fusion, strict=True))):
            path = fusion(lateral(level)) if path is None else fusion(path, lateral(level))
            found.append(path)
        return found[::-1]


def doubled(maps: Tensor) -> Tensor:
    """[B, C, h, w] to [B, C, 2h, 2w], bilinear, corners aligned."""
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True)
