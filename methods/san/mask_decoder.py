"""From side tokens to mask logits and to attention biases for CLIP's deep blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from methods.parts.mlp import MLP
from methods.san.sizes import SanSize

MLP_LAYERS: Final = 3  # MLP_NUM_LAYERS of the released configurations


@dataclass(frozen=True)
class Proposals:
    """What the side network proposes, at its own resolution.

    Attributes:
        masks: [B, Q, h, w] logits.
        bias: [B, heads, Q, h, w], added to the attention logits of CLIP's deep blocks.
    """

    masks: Tensor
    bias: Tensor


class MaskDecoder(nn.Module):
    """Dot products of queries with pixels; one embedding of the queries serves masks and biases."""

    def __init__(self, size: SanSize) -> None:
        super().__init__()
        self.heads = size.clip_heads
        # 1x1 convolutions in the official code.
        widths = (size.side_width, *[size.mask_hidden] * (MLP_LAYERS - 1))
        self.query_mlp = MLP((*widths, size.mask_width))
        self.pix_mlp = MLP((*widths, size.mask_width))
        self.attn_mlp = MLP((*widths, size.mask_width * self.heads))
        self.bias_scaling = nn.Linear(1, 1)

    def forward(self, queries: Tensor, patches: Tensor, grid: tuple[int, int]) -> Proposals:
        """Query tokens [B, Q, width] and patch tokens [B, h*w, width] to proposals."""
        embedded = self.query_mlp(queries)
        masks = embedded @ self.pix_mlp(patches).transpose(1, 2)
        # [B, h*w, heads * C]: heads are the outer part of the channels.
        steering = self.attn_mlp(patches).unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1)
        bias = torch.matmul(embedded[:, None], steering)
        # Linear(1, 1) on every number is a scale and a shift (RESCALE_ATTN_BIAS).
        bias = bias * self.bias_scaling.weight[0] + self.bias_scaling.bias
        return Proposals(masks.unflatten(2, grid), bias.unflatten(3, grid))
