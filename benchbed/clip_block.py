"""The blocks of CLIP's image tower as fast as they run: fused attention, linear layers by the quicker library."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.token_linear import apply_linear, linear


def mixing_block(block: nn.Module, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    """What open_clip's residual attention block computes: tokens [B, T, width] in and out.

    Every method's image tower runs through here, so that no method wins by a faster kernel of the same arithmetic.

    Left to itself, `nn.MultiheadAttention` takes its inference fast path, which writes out all T x T weights of every head:
    1.25 times slower than the fused kernel at the 1,025 tokens of a 512-pixel image (CPU), and more memory.

    Args:
        block: one of CLIP's.
        tokens: [B, T, width].
        mask: [B * heads, T, T], added to the attention logits; None for plain attention.
    """
    tokens = tokens + self_attention(block.attn, block.ln_1(tokens), mask)  # type: ignore[operator]
    return tokens + feed_forward(block.mlp, block.ln_2(tokens))  # type: ignore[operator]


def watched_block(block: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`mixing_block`, and what onlookers see of it.

    Args:
        block: one of CLIP's.
        tokens: [B, T, width].

    Returns:
        tokens [B, T, width]; keys and values [B, heads, T, width / heads].
    """
    attention: Any = block.attn
    query, keys, values = _heads(attention, block.ln_1(tokens))  # type: ignore[operator]
    mixed = F.scaled_dot_product_attention(query, keys, values)
    tokens = tokens + apply_linear(attention.out_proj, mixed.transpose(1, 2).flatten(2))
    return tokens + feed_forward(block.mlp, block.ln_2(tokens)), keys, values  # type: ignore[operator]


def onlooking_block(block: nn.Module, tokens: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """The block over tokens that nobody sees, each of which sees itself and others by their keys and values.

    Args:
        block: one of CLIP's.
        tokens: [B, Q, width].
        keys, values: [B, heads, T, width / heads], from `watched_block`.
        bias: [B, heads, Q, T], added to the logits of the attention to them.

    Returns:
        [B, Q, width].
    """
    attention: Any = block.attn
    query, own_key, own_value = _heads(attention, block.ln_1(tokens))  # type: ignore[operator]
    query = query * query.shape[-1] ** -0.5
    own = (query * own_key).sum(-1, keepdim=True)
    weights = torch.cat([own, query @ keys.transpose(2, 3) + bias.to(query.dtype)], -1).softmax(-1)
    mixed = weights[..., :1] * own_value + weights[..., 1:] @ values
    tokens = tokens + apply_linear(attention.out_proj, mixed.transpose(1, 2).flatten(2))
    return tokens + feed_forward(block.mlp, block.ln_2(tokens))  # type: ignore[operator]


def value_block(block: nn.Module, tokens: Tensor, factor: Tensor | None = None) -> Tensor:
    """The block with its attention replaced by each token's own value; query and key are not computed.

    Args:
        block: one of CLIP's.
        tokens: [B, T, width].
        factor: [B, T], times the value; None for 1.
    """
    attention: Any = block.attn
    width = tokens.shape[-1]
    weight, bias = attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
    values = linear(block.ln_1(tokens), weight, bias)  # type: ignore[operator]
    if factor is not None:
        values = values * factor[..., None].to(values.dtype)
    tokens = tokens + apply_linear(attention.out_proj, values)
    return tokens + feed_forward(block.mlp, block.ln_2(tokens))  # type: ignore[operator]


def self_attention(attention: Any, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    """Self-attention with the weights of an `nn.MultiheadAttention`, [B, T, width] in and out; `mask` as above."""
    query, keys, values = _heads(attention, tokens)
    added = None if mask is None else mask.unflatten(0, (-1, attention.num_heads)).to(query.dtype)
    mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=added)
    return apply_linear(attention.out_proj, mixed.transpose(1, 2).flatten(2))


def _heads(attention: Any, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [B, heads, T, width / heads] of tokens [B, T, width]."""
    projected = linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    query, keys, values = projected.unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return query, keys, values


def feed_forward(mlp: Any, tokens: Tensor) -> Tensor:
    """open_clip's `mlp` (`c_fc`, `gelu`, `c_proj`), [B, T, width] in and out."""
    return apply_linear(mlp.c_proj, mlp.gelu(apply_linear(mlp.c_fc, tokens)))
