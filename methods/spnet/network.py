"""SPNet's image side: mmsegmentation's ResNet at stride 8, and four dilated convolutions whose sum is the embedding."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from mmseg.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from methods.parts.mmseg_backbone import mmseg_backbone
from methods.spnet.sizes import SpnetSize

ASPP_STD: Final = 0.01  # initial weights (libs/models/deeplabv2.py)
KERNEL: Final = 3


def resnet(size: SpnetSize) -> nn.Module:
    """DeepLab v2's ResNet by mmsegmentation's registry: strides 4, 8, 8, 8, Caffe's blocks (stride in the first 1x1).

    As Caffe's, its max pooling rounds sizes up; mmsegmentation's rounds down, which differs where a side is even.
    """
    backbone = mmseg_backbone(
        {
            "type": "mmseg.ResNet",
            "depth": size.depth,
            "stem_channels": size.width,
            "base_channels": size.width,
            "style": "caffe",
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
            "out_indices": (3,),
            "norm_cfg": {"type": "BN", "requires_grad": not size.frozen_norm},
            "norm_eval": size.frozen_norm,
        }
    )
    backbone.maxpool.ceil_mode = size.caffe  # type: ignore[union-attr]
    _damp_residuals(backbone)
    return backbone


def _damp_residuals(backbone: nn.Module) -> None:
    """Random weights under frozen norms must not grow from block to block: 33 blocks would overflow float16."""
    blocks = [module for module in backbone.modules() if isinstance(module, BasicBlock | Bottleneck)]
    for block in blocks:
        last: nn.Module = block.norm3 if isinstance(block, Bottleneck) else block.norm2
        nn.init.constant_(last.weight, len(blocks) ** -0.5)  # type: ignore[arg-type]


class SummedASPP(nn.Module):
    """DeepLab v2's pyramid: dilated 3x3 convolutions with biases, summed; no norm, no non-linearity.

    Args:
        channels: of the features.
        dim: D, of the embedding.
        rates: one dilation a branch.
    """

    def __init__(self, channels: int, dim: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, dim, KERNEL, padding=rate, dilation=rate) for rate in rates
        )
        for branch in self.branches:
            nn.init.normal_(branch.weight, std=ASPP_STD)  # type: ignore[arg-type]
            nn.init.zeros_(branch.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """[B, channels, h, w] to embeddings [B, D, h, w]."""
        first, *rest = self.branches
        embeddings: Tensor = first(features)
        for branch in rest:
            embeddings = embeddings + branch(features)
        return embeddings

    def folded(self, classes: Tensor) -> FoldedASPP:
        """The pyramid with the product by class vectors [K, D] multiplied into its kernels; exact but for rounding."""
        kernels = [torch.einsum("kd,dcij->kcij", classes, each.weight) for each in self._convolutions()]
        biases = [classes @ each.bias for each in self._convolutions() if each.bias is not None]
        return FoldedASPP(
            kernels, torch.stack(biases).sum(0), [each.dilation[0] for each in self._convolutions()]
        )

    def _convolutions(self) -> list[nn.Conv2d]:
        return [branch for branch in self.branches if isinstance(branch, nn.Conv2d)]


class FoldedASPP:
    """`SummedASPP` and the class vectors as one linear map from features to class logits.

    For 20 classes and D = 512 it costs a twenty-fifth: the pyramid is nearly half of all work at 513 pixels.
    """

    def __init__(self, kernels: list[Tensor], bias: Tensor, rates: list[int]) -> None:
        self.kernels, self.bias, self.rates = kernels, bias, rates

    def __call__(self, features: Tensor) -> Tensor:
        """[B, channels, h, w] to logits [B, K, h, w]."""
        logits = self.bias[:, None, None]
        for kernel, rate in zip(self.kernels, self.rates, strict=True):
            logits = logits + F.conv2d(features, kernel, padding=rate, dilation=rate)
        return logits


def folding_pays(classes: int, dim: int, positions: int) -> bool:
    """Whether folding K class vectors of D numbers saves work over this many feature positions.

    A kernel's element costs K*D multiply-adds to fold, and then K instead of D at each position.
    """
    return classes * dim < (dim - classes) * positions
