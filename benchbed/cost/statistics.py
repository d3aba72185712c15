"""From raw samples to numbers with intervals. Free of torch: reports use it on records alone.

Intervals are percentile bootstrap intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section
13.3). Medians, not means, because one interrupted call must not move a result; ratios are taken pair by pair within
a round, because two calls a moment apart share what the machine was doing (performance.md, section 8: on a busy
two-core machine the spread of an A/A test falls from 8.6 % to 2.5 %).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

REPLICATES: Final = 2000  # 50 of them lie beyond each end of a 95 % interval
CONFIDENCE: Final = 0.95
PERCENTILES: Final = {"p50": 50, "p90": 90, "p99": 99}
_CHUNK: Final = 2**21  # indices drawn at a time: 16 MiB
_KEPT: Final = 2**18  # indices kept between calls: 2 MiB, 2,000 draws of 131 samples


@dataclass(frozen=True)
class Estimate:
    """A number and the interval it may lie in.

    Attributes:
        value: the median of the samples.
        low, high: ends of the interval. A single sample says nothing about others: then they are 0 and infinity.
        samples: how many samples it rests on.
        confidence: the interval's level.
    """

    value: float
    low: float
    high: float
    samples: int
    confidence: float = CONFIDENCE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON: an infinite end becomes null."""
        high = self.high if math.isfinite(self.high) else None
        return {
            "value": self.value,
            "low": self.low,
            "high": high,
            "n": self.samples,
            "confidence": self.confidence,
        }


def median_interval(
    samples: Sequence[float], confidence: float = CONFIDENCE, replicates: int = REPLICATES, seed: int = 0
) -> Estimate:
    """The median of positive samples with its bootstrap interval; the same input gives the same interval.

    Raises:
        ValueError: no samples, or one that is not a positive finite number.
    """
    values = _checked(samples)
    value = float(np.median(values))
    if len(values) == 1:
        return Estimate(value, 0.0, math.inf, 1, confidence)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(_resampled_medians(values, replicates, seed), [tail, 100 - tail])
    return Estimate(value, float(low), float(high), len(values), confidence)


def paired_ratio(
    a: Sequence[float],
    b: Sequence[float],
    confidence: float = CONFIDENCE,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """How many times `a` is of `b`: the median of `a[i] / b[i]`, with its interval.

    Args:
        a, b: samples of two subjects; entry i of both comes from the same round, on the same image.

    Raises:
        ValueError: lists of different lengths, empty, or with numbers that are not positive.
    """
    if len(a) != len(b):
        raise ValueError(f"paired samples expected: {len(a)} of one, {len(b)} of the other")
    return median_interval((_checked(a) / _checked(b)).tolist(), confidence, replicates, seed)


def throughput(samples_ms: Sequence[float], images: int = 1, confidence: float = CONFIDENCE) -> Estimate:
    """Images a second, from the latencies (ms) of calls on `images` images each, one call after the other."""
    latency = median_interval(samples_ms, confidence)
    rate = 1000.0 * images
    high = rate / latency.low if latency.low > 0 else math.inf
    return Estimate(rate / latency.value, rate / latency.high, high, latency.samples, confidence)


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90` and `p99`, linear between neighbouring samples.

    Raises:
        ValueError: no samples, or one that is not a positive finite number.
    """
    values = np.percentile(_checked(samples), list(PERCENTILES.values()))
    return dict(zip(PERCENTILES, values.tolist(), strict=True))


def _resampled_medians(values: NDArray[np.float64], replicates: int, seed: int) -> NDArray[np.float64]:
    if len(values) * replicates <= _KEPT:
        return np.median(values[_kept_draws(len(values), replicates, seed)], axis=1)
    draws = _draws(len(values), replicates, seed)
    return np.concatenate([np.median(values[chosen], axis=1) for chosen in draws])


def _draws(samples: int, replicates: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Places of samples drawn with replacement, [at most so many rows as fit 16 MiB, samples] at a time."""
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK // samples)
    for done in range(0, replicates, rows):
        yield random.integers(0, samples, (min(rows, replicates - done), samples))


@lru_cache(maxsize=8)
def _kept_draws(samples: int, replicates: int, seed: int) -> NDArray[np.int64]:
    """All draws at once: they depend on the number of samples alone, which most records of a report share."""
    (chosen,) = _draws(samples, replicates, seed)
    return chosen


def _checked(samples: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"a list of at least one sample expected, found shape {values.shape}")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("samples must be positive and finite: a time or a ratio of times")
    return values
