"""A two-way bridge between class names and a lightweight backbone: our reading of an abstract, not its authors' code."""

from methods.bridge.card import METHOD

__all__ = ["METHOD"]
