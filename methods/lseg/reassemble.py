"""From a ViT's tokens to a feature map (Ranftl et al., Vision Transformers for Dense Prediction; lseg_vit.py)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.lseg.linear import TokenLinear


class Reassemble(nn.Module):
    """Tokens of one block to a map at one stride: readout "project", 1x1 convolution, resampling.

    Args:
        width: of the tokens.
        channels: of the map.
        patch: pixels between neighbouring tokens.
        stride: pixels between neighbours of the map; 4, 8, 16 or 32.
    """

    def __init__(self, width: int, channels: int, patch: int, stride: int) -> None:
        super().__init__()
        self.readout = TokenLinear(2 * width, width)
        self.project = nn.Conv2d(width, channels, 1)
        self.resize = _resampler(channels, patch, stride)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """[B, 1 + h*w, width] to [B, channels, h * patch / stride, w * patch / stride]."""
        patches = tokens[:, 1:]
        joined = torch.cat([patches, tokens[:, :1].expand_as(patches)], -1)
        features = F.gelu(self.readout(joined)).transpose(1, 2).unflatten(2, grid)
        result: Tensor = self.resize(self.project(features))
        return result


def _resampler(channels: int, patch: int, stride: int) -> nn.Module:
    """A transposed convolution up, nothing, or a 3x3 convolution down."""
    if patch > stride:
        factor = patch // stride
        return nn.ConvTranspose2d(channels, channels, factor, factor)
    if patch == stride:
        return nn.Identity()
    return nn.Conv2d(channels, channels, 3, stride // patch, padding=1)
