"""A linear layer over tokens that, on a CPU and in float32, runs as the 1x1 convolution that it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear` of [B, T, a] with [b, a] and [b], the same up to float rounding.

    torch sends a float32 product to MKL and a convolution to oneDNN. On AMD processors MKL uses half of what oneDNN does:
    1,025 tokens of 768 numbers to 3,072 run at 103 GFLOPs a CPU second as the one and at 203 to 225 as the other (two
    threads of an EPYC; with one thread torch does not ask oneDNN, and both are equal). Tokens are a channels-last image
    of height 1, so that nothing is copied.
    """
    if not _pays_off(tokens):
        return F.linear(tokens, weight, bias)
    image = tokens.transpose(1, 2).unsqueeze(2)
    return F.conv2d(image, weight[:, :, None, None], bias).squeeze(2).transpose(1, 2)


def apply_linear(layer: nn.Module, tokens: Tensor) -> Tensor:
    """`linear` with the parameters of an `nn.Linear`."""
    return linear(tokens, layer.weight, layer.bias)  # type: ignore[arg-type]


def _pays_off(tokens: Tensor) -> bool:
    """In inference alone: a convolution's backward pass has other costs."""
    return (
        tokens.device.type == "cpu"
        and tokens.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )
