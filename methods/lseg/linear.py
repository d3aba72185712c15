"""Linear layers inside somebody else's transformer, run the way that is fastest here."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from benchbed.token_linear import linear


class TokenLinear(nn.Linear):
    """`nn.Linear` with the same parameters; on a CPU and in float32 a 1x1 convolution (`benchbed.token_linear`)."""

    @classmethod
    def of(cls, layer: nn.Linear) -> Self:
        """Take over another layer's parameters."""
        with torch.device("meta"):
            taken = cls(layer.in_features, layer.out_features, layer.bias is not None)
        taken.weight, taken.bias = layer.weight, layer.bias
        return taken

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, L, in_features] to [B, L, out_features]."""
        return linear(tokens, self.weight, self.bias) if tokens.ndim == 3 else super().forward(tokens)


def use_token_linears(module: nn.Module) -> None:
    """Replace every linear layer inside, keeping parameters and their names."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, TokenLinear.of(child))
        else:
            use_token_linears(child)
