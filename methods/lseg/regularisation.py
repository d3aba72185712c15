"""The two spatial regularisation blocks (`arch_option` 1 and 2 in lseg_net.py), for any number of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATION: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "lrelu": F.leaky_relu,
    "tanh": F.tanh,
    "relu": F.relu,
}


class Regularisation(nn.Module):
    """One 3x3 convolution of a single channel, shared by all labels: ten parameters, whatever the label set.

    Permuting the labels permutes the result.

    Args:
        kind: `depthwise`, or `bottleneck`, which also adds the largest logit over all labels at each pixel.
        depth: how often the same weights are applied; 0 means once too. All but the last are followed by `activation`.
        activation: `lrelu`, `tanh` or `relu`.
    """

    def __init__(self, kind: str, depth: int, activation: str) -> None:
        super().__init__()
        self.bottleneck = kind == "bottleneck"
        self.depth = depth
        self.activation = ACTIVATION[activation]
        self.depthwise = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, logits: Tensor) -> Tensor:
        """[B, K, h, w] to the same shape."""
        for _ in range(self.depth - 1):
            logits = self.activation(self.once(logits))
        return self.once(logits)

    def once(self, logits: Tensor) -> Tensor:
        """One application, without the activation."""
        filtered: Tensor = self.depthwise(logits.reshape(-1, 1, *logits.shape[2:])).view_as(logits)
        return filtered + logits.amax(1, keepdim=True) if self.bottleneck else filtered
