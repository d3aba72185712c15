"""SimSeg (zsseg.baseline): mask proposals, each named by its own embedding and by CLIP on its crop."""

from methods.simseg.card import METHOD

__all__ = ["METHOD"]
