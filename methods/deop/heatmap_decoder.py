"""Classification anchors: learned queries become heat maps over CLIP's patches, which pool its features (section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.deop.sizes import DeOPSize
from methods.parts.position_encoding import sine_position
from methods.parts.transformer_decoder import DecoderLayer, attend

DROPOUT = 0.1


class HeatmapAttention(nn.Module):
    """Multi-head cross-attention whose heat maps are cut by the proposals' masks after the softmax.

    There is no output projection, and the values are the memory itself: head k pools channels k*d/heads onwards. The
    third of `in_proj_*` that would project values is in the checkpoints and has no effect; it is kept, and not multiplied.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, queries: Tensor, keys: Tensor, memory: Tensor, masks: Tensor) -> Tensor:
        """Pool.

        Args:
            queries: [B, Q, d].
            keys, memory: [B, L, d].
            masks: [B, Q, L] in 0..1; heat maps are multiplied by them and NOT normalised again (quirk 5).

        Returns:
            [B, Q, d].
        """
        width = queries.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        q = self._split(F.linear(queries, weight[:width], bias[:width]))
        k = self._split(F.linear(keys, weight[width : 2 * width], bias[width : 2 * width]))
        heat = ((q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)).softmax(dim=-1)
        heat = self.dropout(heat) * masks[:, None].to(heat.dtype)
        pooled: Tensor = heat @ self._split(memory)
        return pooled.transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        """[B, N, d] -> [B, heads, N, d/heads]"""
        split: Tensor = x.unflatten(2, (self.heads, -1))
        return split.transpose(1, 2)


class HeatmapLayer(nn.Module):
    """Self-attention of the queries, LayerNorm, then heat maps; no residual and no feed-forward after them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, DROPOUT, batch_first=True)
        self.multihead_attn_my = HeatmapAttention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, memory: Tensor, keys: Tensor, queries: Tensor, masks: Tensor) -> Tensor:
        """As `DecoderLayer.forward`, with masks [B, Q, L]; gives [B, Q, d]."""
        placed = x + queries
        x = self.norm1(x + self.dropout(attend(self.self_attn, placed, placed, x)))
        pooled: Tensor = self.multihead_attn_my(x + queries, keys, memory, masks)
        return pooled


class HeatmapDecoder(nn.Module):
    """Key names below `decoder.`; `norm` serves only the authors' intermediate outputs, which nothing reads."""

    def __init__(self, size: DeOPSize) -> None:
        super().__init__()
        width, heads = size.clip.embed_dim, size.heatmap_heads
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, size.heatmap_feedforward, DROPOUT) for _ in range(size.heatmap_layers)
        )
        self.outlayer = HeatmapLayer(width, heads)
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor, mask_logits: Tensor, queries: Tensor) -> Tensor:
        """Features of proposals.

        Args:
            features: [B, h, w, d] CLIP's patch embeddings of any norm.
            mask_logits: [B, Q, h', w']; query i reads through mask i.
            queries: [Q, d] learned.

        Returns:
            [B, Q, d], unit norm.
        """
        height, width, channels = features.shape[1:]
        memory = F.normalize(features, dim=-1).flatten(1, 2)
        position = sine_position(height, width, channels, memory.device).flatten(0, 1)
        keys = memory + position.to(memory.dtype)
        x = torch.zeros_like(queries).expand(len(memory), -1, -1)
        for layer in self.layers:
            x = layer(x, memory, keys, queries)
        masks = patch_masks(mask_logits, (height, width))
        return F.normalize(self.outlayer(x, memory, keys, queries, masks), dim=-1)


def patch_masks(mask_logits: Tensor, grid: tuple[int, int]) -> Tensor:
    """Masks on CLIP's grid, [B, Q, h*w] float32: sigmoid FIRST, then bilinear (quirk 5; patch severance does the reverse)."""
    masks = F.interpolate(mask_logits.float().sigmoid(), grid, mode="bilinear", align_corners=False)
    return masks.flatten(2)
