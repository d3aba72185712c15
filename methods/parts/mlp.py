"""A plain multi-layer perceptron with MaskFormer's key names (`layers.0.weight`, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, none after the last.

    Args:
        widths: input, hidden and output widths; `len(widths) - 1` layers.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """[..., widths[0]] -> [..., widths[-1]]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        result: Tensor = last(x)
        return result
