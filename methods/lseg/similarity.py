"""Logits of pixels and labels: scaled cosines, in float32 or with the official code's float16 rounding."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from methods.parts.full_precision import full_precision

# A constant: `nn.Parameter(...).exp()` is no parameter, is not trained and not in any checkpoint (lseg_net.py).
LOGIT_SCALE: Final = 1 / 0.07


def similarities(pixels: Tensor, labels: Tensor, rounding: str = "fp32") -> Tensor:
    """Scaled cosines, always float32: at a scale of 14, bfloat16 would round logits by up to 0.03.

    Args:
        pixels: [B, D, h, w] embeddings, not normalised.
        labels: [K, D] embeddings of unit norm.
        rounding: `fp32`, or `fp16` to round where the official code does on CUDA.

    Returns:
        [B, K, h, w].
    """
    with full_precision(pixels):
        rows = pixels.permute(0, 2, 3, 1).float()
        norms = rows.norm(dim=-1, keepdim=True)
        rounded = _half_product if rounding == "fp16" else _float_product
        return rounded(rows, norms, labels.float()).permute(0, 3, 1, 2)


def _float_product(rows: Tensor, norms: Tensor, labels: Tensor) -> Tensor:
    """Divides after the product, K instead of D numbers a pixel."""
    return (rows @ labels.T) * (LOGIT_SCALE / norms)


def _half_product(rows: Tensor, norms: Tensor, labels: Tensor) -> Tensor:
    """`(scale * pixel.half()) @ label.half()`, sums in float32 as on tensor cores, the result rounded to half."""
    scaled = (rows / norms).half() * LOGIT_SCALE
    return (scaled.float() @ labels.half().float().T).half().float()
