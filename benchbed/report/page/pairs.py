"""Paired differences of any two comparable rows, computed before the page is written: it only looks them up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from benchbed.compare import COMPARED, image_miou
from benchbed.errors import UsageError
from benchbed.metrics import Counts, Difference, accuracy, holm
from benchbed.metrics.bootstrap import replicate_metrics
from benchbed.metrics.iou import FloatArray
from benchbed.metrics.paired import aligned, difference
from benchbed.records import Record
from benchbed.report.figures import latency_figure, seen_mask, slowdown_figure
from benchbed.report.rows import Row
from benchbed.report.table import number

# On one page: some 2 s to compute and 100 kB, all pairs of 35 rows; `benchbed compare` has the others.
MOST_PAIRS: Final = 600
MOST_NUMBERS: Final = 150_000  # per-image IoUs on one page: about 750 kB


@dataclass(frozen=True)
class Candidate:
    """A row that can be paired, and its place on the page."""

    place: int
    row: Row

    @property
    def record(self) -> Record:
        """Its record; a candidate always has one."""
        assert self.row.record is not None
        return self.row.record

    @property
    def counts(self) -> Counts:
        """Its counts; a candidate always has some."""
        assert self.record.counts is not None
        return self.record.counts


@dataclass(frozen=True)
class _Measured:
    candidate: Candidate
    counts: Counts
    numbers: Mapping[str, float]
    replicates: Mapping[str, FloatArray]


def rows_for_pairs(sizes: Sequence[int], most: int = MOST_PAIRS) -> int:
    """How many rows of each group may be paired so that groups of these sizes have no more than `most` pairs together."""
    rows = 1
    while rows < max(sizes, default=0) and sum(math.comb(min(size, rows + 1), 2) for size in sizes) <= most:
        rows += 1
    return rows


def candidates(rows: Sequence[tuple[int, Row]], most: int) -> list[Candidate]:
    """Rows of one group with counts in page order; of more than `most`, ranked ones and newest records of a label."""
    counted = [Candidate(place, row) for place, row in rows if row.record and row.record.counts]
    newest = {each.row.label: each.record.id for each in sorted(counted, key=lambda c: c.record.created)}
    counted.sort(key=lambda c: (not c.row.ranked, newest[c.row.label] != c.record.id, c.place))
    return sorted(counted[:most], key=lambda c: c.place)


def pairs(group: Sequence[Candidate]) -> dict[str, dict[str, Any]]:
    """ "i-j" -> differences in points, i minus j, for every two rows of one group, i < j.

    `differences` holds [value, low, high, p, p after Holm over the group's pairs] by metric; `slower` is the place of the
    row with the larger latency and `ratio` its multiple of the other's, where both were timed in one run.
    """
    measured = _measure_all(group)
    both = list(combinations(measured, 2))
    found = [_differences(one, other) for one, other in both]
    corrected = {
        metric: holm({str(i): each[metric].p_value for i, each in enumerate(found)}) for metric in COMPARED
    }
    return {
        f"{one.candidate.place}-{other.candidate.place}": {
            "family": len(both),
            "differences": {
                metric: [*_points(each[metric]), round(corrected[metric][str(i)], 4)]
                for metric in COMPARED
                if math.isfinite(each[metric].value) and math.isfinite(each[metric].p_value)
            },
            **_speed(one.candidate, other.candidate),
        }
        for i, ((one, other), each) in enumerate(zip(both, found, strict=True))
    }


def _measure_all(group: Sequence[Candidate]) -> list[_Measured]:
    """Each row's numbers and replicates on the first's order of images; rows with other images or classes are left out."""
    found: list[_Measured] = []
    for candidate in group:
        try:
            counts = aligned(group[0].counts, candidate.counts)
        except (UsageError, ValueError):
            continue
        seen, rule = seen_mask(candidate.record), candidate.record.protocol["absent_rule"]
        numbers = accuracy(counts, seen, rule).numbers()
        found.append(_Measured(candidate, counts, numbers, replicate_metrics(counts, seen, rule)))
    return found


def _differences(one: _Measured, other: _Measured) -> dict[str, Difference]:
    return {
        metric: difference(
            one.numbers[metric], other.numbers[metric], one.replicates[metric], other.replicates[metric]
        )
        for metric in COMPARED
    }


def _points(found: Difference) -> list[float]:
    ends = (found.value, found.interval.low, found.interval.high)
    return [*[round(100 * end, 4) for end in ends], round(found.p_value, 4)]


def _speed(one: Candidate, other: Candidate) -> dict[str, Any]:
    first, second = latency_figure(one.record), latency_figure(other.record)
    if first is None or second is None:
        return {}
    slow, quick = (one, other) if first.value >= second.value else (other, one)
    ratio = slowdown_figure(slow.record, quick.record)
    return {} if ratio is None else {"slower": slow.place, "ratio": number(ratio, 2).text}


def image_ious(group: Sequence[Candidate]) -> tuple[list[str], dict[int, list[float | None]]]:
    """Image ids, and place of a row -> mean IoU of each image in percent; both empty where that is too much for a page."""
    if not group or len(group) * group[0].counts.num_images > MOST_NUMBERS:
        return [], {}
    ids = group[0].counts.image_ids
    return list(ids), {
        each.place: _plain(100 * image_miou(each.counts.select(ids)), 1)
        for each in group
        if set(each.counts.image_ids) == set(ids)
    }


def class_ious(candidate: Candidate) -> list[float | None]:
    """IoU of each class in percent under the record's rule, None where the rule leaves the class out."""
    record = candidate.record
    found = accuracy(candidate.counts, seen_mask(record), record.protocol["absent_rule"]).class_iou
    return _plain(100 * found, 2)


def _plain(values: FloatArray, digits: int) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), digits) for value in values]
