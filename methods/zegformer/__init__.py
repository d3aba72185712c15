"""ZegFormer: decoupling zero-shot semantic segmentation."""

from methods.zegformer.card import METHOD

__all__ = ["METHOD"]
