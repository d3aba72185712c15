"""Intervals of a share: so many of so many."""

from __future__ import annotations


def exact_interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a share (Clopper and Pearson, 1934): never narrower than it says, also for 0 hits."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high


def upper_bound(hits: int, of: int, confidence: float = 0.95) -> float:
    """One-sided: the share is below it with this confidence; 1 before anything was measured."""
    return exact_interval(hits, of, 2 * confidence - 1)[1] if of else 1.0


def lower_bound(hits: int, of: int, confidence: float = 0.95) -> float:
    """One-sided: the share is above it with this confidence; 0 before anything was measured."""
    return exact_interval(hits, of, 2 * confidence - 1)[0] if of else 0.0
