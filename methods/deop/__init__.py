"""DeOP: decoupled one-pass open-vocabulary segmentation."""

from methods.deop.card import METHOD

__all__ = ["METHOD"]
