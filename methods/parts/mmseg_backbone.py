"""Backbones of mmsegmentation, built by its registry, with random weights that keep an image's signal alive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import nn


def mmseg_backbone(config: Mapping[str, Any]) -> nn.Module:
    """A backbone by its configuration (`type` and arguments), none of which needs mmcv's compiled operators.

    mmsegmentation leaves weights at torch's defaults, under which a deep network in evaluation mode answers every image alike,
    until mmengine's Runner calls `init_weights`, which would then overwrite whatever was loaded since. Here weights are drawn at
    once, by He's rule over the channels that one output really feeds (so for depthwise convolutions too), and every module is
    marked as initialised.
    """
    backbone: nn.Module = MODELS.build(dict(config))
    for module in backbone.modules():
        if isinstance(module, BaseModule):
            module.is_init = True
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1] // module.groups
            nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return backbone
