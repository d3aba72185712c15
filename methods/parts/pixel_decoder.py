"""MaskFormer's BasePixelDecoder: a feature pyramid from the ResNet's stages to per-pixel mask features at stride 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from methods.parts.group_norm import GroupNorm
from methods.parts.resnet import STAGES, ConvNorm

GROUPS: Final = 32  # detectron2's "GN"


class PixelDecoder(nn.Module):
    """FPN with group norm and nearest upsampling; key names as MaskFormer's below `sem_seg_head.pixel_decoder.`.

    Args:
        channels: of res2, res3, res4, res5.
        width: of the pyramid (CONVS_DIM).
        mask_width: of the mask features (MASK_DIM).
    """

    def __init__(self, channels: tuple[int, int, int, int], width: int, mask_width: int) -> None:
        super().__init__()
        for level, inputs in enumerate(channels[:-1], start=1):
            self.add_module(f"adapter_{level}", ConvNorm(inputs, width, 1, GroupNorm(GROUPS, width)))
            self.add_module(f"layer_{level}", ConvNorm(width, width, 3, GroupNorm(GROUPS, width)))
        self.layer_4 = ConvNorm(channels[-1], width, 3, GroupNorm(GROUPS, width))
        self.mask_features = nn.Conv2d(width, mask_width, 3, padding=1)
        nn.init.kaiming_uniform_(self.mask_features.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)  # type: ignore[arg-type]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """`res2` ... `res5` -> [B, mask_width, H/4, W/4]."""
        y = F.relu_(self.layer_4(features["res5"]))
        for level in (3, 2, 1):
            lateral = getattr(self, f"adapter_{level}")(features[STAGES[level - 1]])
            y = lateral + F.interpolate(y, size=lateral.shape[-2:], mode="nearest")
            y = F.relu_(getattr(self, f"layer_{level}")(y))
        result: Tensor = self.mask_features(y)
        return result
