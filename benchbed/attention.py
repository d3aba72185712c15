"""Attention by the quickest way: torch's fused kernel, but for bfloat16 lessons on a processor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention, [B, heads, Q, d], [B, heads, T, d] and [B, heads, T, d] to [B, heads, Q, d].

    The fused kernel's backward pass in bfloat16 is slow on processors without AMX: forth and back over 8 images of 412 tokens,
    4 heads of 24 take 46 ms of an EPYC's core, written out 29 ms, in float32 34 ms (torch 2.15, medians of 15). What is written
    out keeps all Q x T weights until then.
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and query.requires_grad:
        weights = (query * query.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
        mixed: Tensor = weights.softmax(-1) @ values
        return mixed
    return F.scaled_dot_product_attention(query, keys, values)
