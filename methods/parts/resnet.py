"""detectron2's bottleneck ResNets: R50 and R101 with the 7x7 stem, R101c with DeepLab's 3x3x3 stem and multi-grid.

Parameter names are those of detectron2 below `backbone.` (stem.conv1.weight, res2.0.shortcut.norm.running_mean, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Stem = Literal["basic", "deeplab"]
Norm = Literal["FrozenBN", "BN"]
STAGES: Final = ("res2", "res3", "res4", "res5")
# detectron2's FrozenBatchNorm2d and torch's BatchNorm2d agree on this epsilon.
NORM_EPS: Final = 1e-5


@dataclass(frozen=True)
class ResNetSize:
    """The sizes that make a ResNet; the defaults are R50's.

    Attributes:
        blocks: bottlenecks in res2, res3, res4, res5.
        stem: `basic` is one 7x7 convolution, `deeplab` three 3x3 ones (the "c" of R101c).
        stem_channels: what the stem gives: 64 (basic) or 128 (deeplab).
        group_channels: width of res2's 3x3 convolutions; doubles from stage to stage.
        res2_channels: what res2 gives; doubles from stage to stage.
        multi_grid: dilation of the 3x3 convolution of each block of res5, repeated if res5 has more blocks. The stride
            of res5 stays 2, so that its features sit at stride 32 all the same.
        res5_dilation: detectron2's RES5_DILATION: 2 gives res5 stride 1 and doubles its dilations, so that its features sit at
            stride 16; 1 in every published configuration here.
        norm: `FrozenBN` as published (statistics and scales are buffers), or `BN` to train one from nothing.
    """

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    stem: Stem = "basic"
    stem_channels: int = 64
    group_channels: int = 64
    res2_channels: int = 256
    multi_grid: tuple[int, ...] = (1, 1, 1)
    norm: Norm = "FrozenBN"
    res5_dilation: int = 1

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of res2, res3, res4, res5."""
        first = self.res2_channels
        return first, 2 * first, 4 * first, 8 * first


R50: Final = ResNetSize()
R101: Final = ResNetSize(blocks=(3, 4, 23, 3))
R101C: Final = ResNetSize(blocks=(3, 4, 23, 3), stem="deeplab", stem_channels=128, multi_grid=(1, 2, 4))


class FrozenBatchNorm(nn.Module):
    """Batch norm whose scales and statistics are buffers: never trained, never updated (detectron2 FrozenBatchNorm2d)."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] in and out."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, NORM_EPS
        )


_NORMS: Final[dict[str, type[nn.Module]]] = {"FrozenBN": FrozenBatchNorm, "BN": nn.BatchNorm2d}


class ConvNorm(nn.Conv2d):
    """A convolution without bias, then `norm`; key names as detectron2's `Conv2d` (`weight`, `norm.*`)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, norm: nn.Module, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False)
        self.norm = norm
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H', W'], not rectified."""
        result: Tensor = self.norm(super().forward(x))
        return result


class BasicStem(nn.Module):
    """7x7 convolution of stride 2, then 3x3 max pooling of stride 2."""

    def __init__(self, size: ResNetSize) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, size.stem_channels, 7, _NORMS[size.norm](size.stem_channels), stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, stem_channels, H/4, W/4], sizes rounded up."""
        return F.max_pool2d(F.relu_(self.conv1(x)), 3, 2, 1)


class DeepLabStem(nn.Module):
    """Three 3x3 convolutions, the first of stride 2 and the first two of half the width, then 3x3 max pooling."""

    def __init__(self, size: ResNetSize) -> None:
        super().__init__()
        full, half, norm = size.stem_channels, size.stem_channels // 2, _NORMS[size.norm]
        self.conv1 = ConvNorm(3, half, 3, norm(half), stride=2)
        self.conv2 = ConvNorm(half, half, 3, norm(half))
        self.conv3 = ConvNorm(half, full, 3, norm(full))

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, stem_channels, H/4, W/4], sizes rounded up."""
        for convolution in (self.conv1, self.conv2, self.conv3):
            x = F.relu_(convolution(x))
        return F.max_pool2d(x, 3, 2, 1)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut; the stride sits in the 3x3 (STRIDE_IN_1X1 False in all configurations here)."""

    def __init__(
        self, inputs: int, outputs: int, middle: int, norm: type[nn.Module], stride: int, dilation: int
    ) -> None:
        super().__init__()
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = ConvNorm(inputs, outputs, 1, norm(outputs), stride)
        self.conv1 = ConvNorm(inputs, middle, 1, norm(middle))
        self.conv2 = ConvNorm(middle, middle, 3, norm(middle), stride, dilation)
        self.conv3 = ConvNorm(middle, outputs, 1, norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/stride, W/stride]."""
        y = F.relu_(self.conv1(x))
        y = F.relu_(self.conv2(y))
        return F.relu_(self.conv3(y).add_(self.shortcut(x)))


class ResNet(nn.Module):
    """A bottleneck ResNet giving the features of its four stages."""

    def __init__(self, size: ResNetSize = R50) -> None:
        super().__init__()
        self.size = size
        self.stem = DeepLabStem(size) if size.stem == "deeplab" else BasicStem(size)
        inputs = size.stem_channels
        for index, (name, outputs) in enumerate(zip(STAGES, size.channels, strict=True)):
            setattr(self, name, _stage(size, index, inputs, outputs))
            inputs = outputs
        self._damp_residuals()

    def _damp_residuals(self) -> None:
        """Random weights under a frozen norm must not grow from block to block: 33 blocks would overflow float16.

        Scaling each residual by 1/sqrt(number of blocks) keeps the variance within a factor of e. A checkpoint overwrites it.
        """
        scale = sum(self.size.blocks) ** -0.5
        for block in (module for module in self.modules() if isinstance(module, Bottleneck)):
            nn.init.constant_(block.conv3.norm.weight, scale)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> `res2` ... `res5`: [B, C, H/s, W/s] at strides s = 4, 8, 16, 32 (16 if dilated), sizes rounded up."""
        features = {}
        x = self.stem(x)
        for name in STAGES:
            x = getattr(self, name)(x)
            features[name] = x
        return features


def _stage(size: ResNetSize, index: int, inputs: int, outputs: int) -> nn.Sequential:
    middle = size.group_channels * 2**index
    dilations: Sequence[int] = [size.res5_dilation * each for each in size.multi_grid] if index == 3 else (1,)
    first_stride = 1 if index == 0 or (index == 3 and size.res5_dilation > 1) else 2
    blocks = []
    for block in range(size.blocks[index]):
        stride = first_stride if block == 0 else 1
        dilation = dilations[block % len(dilations)]
        blocks.append(Bottleneck(inputs, outputs, middle, _NORMS[size.norm], stride, dilation))
        inputs = outputs
    return nn.Sequential(*blocks)
