"""The segmentation stream's classifier: query embeddings projected into CLIP's text space."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.parts.full_precision import full_precision

SCALE: Final = 100.0  # 1 over CLIP's temperature, frozen; stored as logit_scale, its logarithm


class ClassHead(nn.Module):
    """A linear layer, L2 norm, and cosines with text; no-object is a learned vector that is NOT normalised.

    Args:
        inputs: width of query embeddings.
        embed_dim: of CLIP.
        scale: of the cosines.
    """

    def __init__(self, inputs: int, embed_dim: int, scale: float = SCALE) -> None:
        super().__init__()
        self.projection_layer = nn.Linear(inputs, embed_dim)
        self.bg_feature = nn.Parameter(torch.empty(1, embed_dim))
        self.logit_scale = nn.Parameter(torch.full((1,), math.log(scale)), requires_grad=False)
        nn.init.kaiming_uniform_(self.bg_feature, a=math.sqrt(5))

    def forward(self, queries: Tensor, words: Tensor) -> Tensor:
        """Class logits.

        Kept out of autocast: at a scale of 100 bfloat16 would round logits to the nearest half.

        Args:
            queries: [B, Q, inputs].
            words: [K, embed_dim] unit norm.

        Returns:
            [B, Q, K + 1] float32, no-object last.
        """
        projected = F.normalize(self.projection_layer(queries).float(), dim=-1)
        with full_precision(queries):
            classes = torch.cat([words.float(), self.bg_feature.float()])
            return self.logit_scale.float().exp() * (projected @ classes.T)
