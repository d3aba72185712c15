"""SAN: a small side network proposes masks and steers a frozen CLIP's attention to name them, in one pass."""

from methods.san.card import METHOD

__all__ = ["METHOD"]
