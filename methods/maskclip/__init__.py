"""MaskCLIP: CLIP's last value path as a dense classifier, without any training."""

from methods.maskclip.card import METHOD

__all__ = ["METHOD"]
