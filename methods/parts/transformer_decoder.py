"""DETR's transformer decoder, post-norm: learned queries attend to themselves and to an image's features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention by plain products and softmax, [B, Q, d], [B, L, d], [B, L, d] -> [B, Q, d].

    Asking for weights keeps torch off its fused kernel, which rounds otherwise than the plain products that the official
    code runs; six post-norm layers enlarge that to 1e-4 of the mask logits. With 100 queries the fused one saves no time.
    """
    attended: Tensor = attention(queries, keys, values, need_weights=True, average_attn_weights=False)[0]
    return attended


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward, each followed by addition and LayerNorm (DETR `forward_post`)."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(width, feedforward)
        self.linear2 = nn.Linear(feedforward, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, keys: Tensor, queries: Tensor) -> Tensor:
        """One layer.

        Args:
            x: [B, Q, d] the queries' content.
            memory: [B, L, d] the image's features, the values.
            keys: [B, L, d] `memory` plus its positions; the same for every layer, hence added once outside.
            queries: [Q, d] the queries' learned positions.
        """
        placed = x + queries
        x = self.norm1(x + self.dropout(attend(self.self_attn, placed, placed, x)))
        x = self.norm2(x + self.dropout(attend(self.multihead_attn, x + queries, keys, memory)))
        hidden = self.dropout(F.relu(self.linear1(x)))
        result: Tensor = self.norm3(x + self.dropout(self.linear2(hidden)))
        return result


class TransformerDecoder(nn.Module):
    """A stack of layers and a last LayerNorm; the queries' content starts at zeros."""

    def __init__(self, layers: int, width: int, heads: int, feedforward: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self, memory: Tensor, position: Tensor, queries: Tensor, every_layer: bool = False
    ) -> list[Tensor]:
        """Decode.

        Args:
            memory: [B, L, d].
            position: [L, d], added to the keys.
            queries: [Q, d].
            every_layer: give all layers' results (deep supervision), not the last one's alone.

        Returns:
            normalised results [B, Q, d], first layer first.
        """
        keys = memory + position
        x = torch.zeros_like(queries).expand(len(memory), -1, -1)
        results = []
        for index, layer in enumerate(self.layers, start=1):
            x = layer(x, memory, keys, queries)
            if every_layer or index == len(self.layers):
                results.append(self.norm(x))
        return results
