"""Numbers with their intervals, derived from a record's raw counts and raw samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchbed.cost.statistics import median_interval, paired_ratio
from benchbed.metrics import METRICS, Counts, accuracy, intervals
from benchbed.records import Record

LEVEL: Final = 0.95
KEPT: Final = 2**16  # figures between tables, plots and page: of more records than anyone has


@dataclass(frozen=True)
class Figure:
    """A number, its 95 % interval, and where it comes from.

    Attributes:
        value: the estimate; NaN where it does not exist.
        low, high: the interval's ends.
        unit: "%" (all three already times 100), "ms", "images/s", "x".
        kind: `measured` here, `derived` from measured numbers, or `published` by somebody else.
    """

    value: float
    low: float
    high: float
    unit: str
    kind: str = "measured"

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is not finite becomes None, which JSON has."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        finite = {name: value if math.isfinite(value) else None for name, value in ends.items()}
        return {**finite, "unit": self.unit, "kind": self.kind}


@dataclass(frozen=True)
class _ById:
    """A record as a cache key: records are immutable and their id is their content."""

    record: Record

    def __hash__(self) -> int:
        return hash(self.record.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.record.id == self.record.id


@dataclass(frozen=True, eq=False)
class _ByCounts:
    """Counts as a cache key: weights that are measured again, for their speed, give the same ones."""

    counts: Counts
    seen: tuple[bool, ...]

    def __hash__(self) -> int:
        return hash((self.counts.intersection.tobytes(), self.counts.predicted.tobytes(), self.seen))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByCounts) and (other.seen, other.counts) == (self.seen, self.counts)


def seen_mask(record: Record) -> NDArray[np.bool_]:
    """[K] bool, True for seen classes."""
    return np.array(record.dataset["seen"], dtype=bool)


def accuracy_figures(record: Record, rule: str | None = None) -> dict[str, Figure]:
    """Each accuracy metric in percent with its bootstrap interval over images; empty where no counts were taken.

    Args:
        record: any record.
        rule: an absent-class rule other than the record's own.
    """
    if record.counts is None:
        return {}
    key = _ByCounts(record.counts, tuple(map(bool, record.dataset["seen"])))
    return _accuracy(key, rule or record.protocol["absent_rule"])


@lru_cache(maxsize=KEPT)
def _accuracy(key: _ByCounts, rule: str) -> dict[str, Figure]:
    counts, seen = key.counts, np.array(key.seen)
    values = accuracy(counts, seen, rule).numbers()
    if not np.any(
        seen
    ):  # no seen/unseen split: the mean over "unseen" classes would only be the mIoU under a grander name
        values["unseen_miou"] = math.nan
    if counts.num_images < 2:  # one image says nothing of the spread between images
        return {name: Figure(100 * values[name], math.nan, math.nan, "%") for name in METRICS}
    spread = intervals(counts, seen, rule, level=LEVEL)
    return {
        name: Figure(100 * values[name], 100 * spread[name].low, 100 * spread[name].high, "%")
        for name in METRICS
    }


def latency_figure(record: Record) -> Figure | None:
    """Median latency of one image, ms; None where it was not measured."""
    return _latency(_ById(record)) if record.cost.get("latency") else None


@lru_cache(maxsize=KEPT)
def _latency(key: _ById) -> Figure:
    estimate = median_interval(key.record.cost["latency"]["total_ms"])
    return Figure(estimate.value, estimate.low, estimate.high, "ms")


def throughput_figure(record: Record) -> Figure | None:
    """Images a second at batch 1: the inverse of latency, hence derived."""
    latency = latency_figure(record)
    if latency is None:
        return None
    high = 1000 / latency.low if latency.low > 0 else math.inf
    return Figure(1000 / latency.value, 1000 / latency.high, high, "images/s", "derived")


def slowdown_figure(record: Record, reference: Record) -> Figure | None:
    """How many times the reference's latency this one takes; None unless both were timed interleaved in one run."""
    own, other = record.cost.get("latency"), reference.cost.get("latency")
    if not own or not other or own["run_id"] != other["run_id"] or record.id == reference.id:
        return None
    try:
        with np.errstate(over="ignore"):
            ratio = paired_ratio(own["total_ms"], other["total_ms"])
    except ValueError:  # rounds that make no pairs, or a ratio beyond all numbers
        return None
    return Figure(ratio.value, ratio.low, ratio.high, "x", "derived")


def stage_medians(record: Record) -> dict[str, float]:
    """Median time of each stage, ms, `unaccounted` last; empty where latency was not measured."""
    return dict(_stages(_ById(record)))


@lru_cache(maxsize=KEPT)
def _stages(key: _ById) -> dict[str, float]:
    stages = (key.record.cost.get("latency") or {}).get("stage_ms", {})
    return {name: float(np.median(samples)) for name, samples in stages.items() if samples}
