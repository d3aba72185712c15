"""LSeg: a dense image encoder whose pixel embeddings meet CLIP's embeddings of bare class names."""

from methods.lseg.card import METHOD

__all__ = ["METHOD"]
