"""SPNet: a dilated ResNet whose pixel embeddings are classified by fixed vectors of class names."""

from methods.spnet.card import METHOD

__all__ = ["METHOD"]
