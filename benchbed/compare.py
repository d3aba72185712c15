"""Is one method better than another? Paired differences over the same images, from records alone. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.errors import UsageError
from benchbed.metrics import AbsentRule, Counts, Difference, accuracy, holm
from benchbed.metrics.bootstrap import REPLICATES, replicate_metrics
from benchbed.metrics.iou import FloatArray, class_iou, metrics_of
from benchbed.metrics.paired import aligned, difference
from benchbed.protocol import differences
from benchbed.records import Record
from benchbed.report.figures import Figure, seen_mask, slowdown_figure

COMPARED: Final = ("miou", "seen_miou", "unseen_miou", "hiou")


@dataclass(frozen=True)
class ImageDifference:
    """One image under two methods; all but the id are fractions in [-1, 1].

    Attributes:
        image_id: its name in the dataset.
        first, second: mean IoU over the classes that the image's ground truth or the prediction holds.
        first_right, second_right: labelled pixels predicted right.
        pull: how far the whole difference in mIoU would fall without this image.
    """

    image_id: str
    first: float
    second: float
    first_right: float
    second_right: float
    pull: float

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


@dataclass(frozen=True)
class Comparison:
    """Two records on the same images: first minus second.

    Attributes:
        differences: by metric of `COMPARED`.
        corrected: the p-values after Holm's correction over all pairs compared together, by metric.
        images: every image, the one that the first wins by most at the front.
        slowdown: how many times the second's latency the first takes; None unless both were timed interleaved in one run.
    """

    first: Record
    second: Record
    differences: dict[str, Difference]
    corrected: dict[str, float]
    images: tuple[ImageDifference, ...]
    slowdown: Figure | None


@dataclass(frozen=True)
class _Measured:
    """A record's counts in the common order of images, its numbers, and their replicates."""

    record: Record
    counts: Counts
    numbers: dict[str, float]
    replicates: dict[str, FloatArray]


def enough_replicates(pairs: int) -> int:
    """So many draws that the least p-value they can tell, 2 / (B + 1), stays below 0.05 / 2 after correction over the pairs."""
    return max(REPLICATES, 80 * pairs)


def compare(records: Sequence[Record], replicates: int | None = None, seed: int = 0) -> list[Comparison]:
    """All pairs of two or more records, in the order given.

    Args:
        records: of one dataset, the same images and one protocol.
        replicates: bootstrap draws over images, which all methods share; None for as many as the number of pairs needs.
        seed: of the draws.

    Raises:
        UsageError: fewer than two records, one twice, one without accuracy, or records that are not comparable; the message
            names the fields that differ.
    """
    _check(records)
    first = records[0].counts
    assert first is not None
    draws = replicates or enough_replicates(len(records) * (len(records) - 1) // 2)
    measured = [_measure(record, first, draws, seed) for record in records]
    pairs = list(combinations(measured, 2))
    found = [_compare(one, other) for one, other in pairs]
    corrected = {
        metric: holm({str(i): each.differences[metric].p_value for i, each in enumerate(found)})
        for metric in COMPARED
    }
    return [
        replace(each, corrected={metric: corrected[metric][str(i)] for metric in COMPARED})
        for i, each in enumerate(found)
    ]


def incomparable(first: Record, second: Record) -> str:
    """Why two records cannot be compared, "" if they can: the fields that differ, each as "field: first / second"."""
    if first.dataset["name"] != second.dataset["name"]:
        return f"dataset: {first.dataset['name']} / {second.dataset['name']}"
    fields = differences(first.protocol, second.protocol)
    if first.dataset["used_identity"] != second.dataset["used_identity"]:
        fields.append(f"images: {first.dataset['coverage']} / {second.dataset['coverage']}")
    if first.dataset["names"] != second.dataset["names"]:
        fields.append("classes: other names or another order")
    if first.dataset["seen"] != second.dataset["seen"]:
        fields.append("split: other seen classes")
    return "; ".join(fields)


def _check(records: Sequence[Record]) -> None:
    if len(records) < 2:
        raise UsageError(f"{len(records)} record to compare; name two or more")
    ids = [record.id for record in records]
    for record in records:
        if ids.count(record.id) > 1:
            raise UsageError(f"record {record.id} ({record.label}) is named twice; name each once")
        if record.counts is None:
            raise UsageError(
                f"record {record.id} ({record.label}) has no accuracy, so nothing to compare; measure it with benchbed run"
            )
        why = incomparable(records[0], record)
        if why:
            raise UsageError(
                f"{records[0].label} ({records[0].id}) and {record.label} ({record.id}) are not comparable: {why}; "
                "measure both in one benchbed run, or under the same flags"
            )


def _measure(record: Record, first: Counts, replicates: int, seed: int) -> _Measured:
    assert record.counts is not None
    counts = aligned(first, record.counts)
    seen, rule = seen_mask(record), record.protocol["absent_rule"]
    return _Measured(
        record,
        counts,
        accuracy(counts, seen, rule).numbers(),
        replicate_metrics(counts, seen, rule, replicates, seed),
    )


def _compare(one: _Measured, other: _Measured) -> Comparison:
    found = {
        metric: difference(
            one.numbers[metric], other.numbers[metric], one.replicates[metric], other.replicates[metric]
        )
        for metric in COMPARED
    }
    return Comparison(
        one.record, other.record, found, {}, _images(one, other), slowdown_figure(one.record, other.record)
    )


def _images(one: _Measured, other: _Measured) -> tuple[ImageDifference, ...]:
    pulls = _without_each(one) - _without_each(other)
    pulls = (one.numbers["miou"] - other.numbers["miou"]) - pulls
    columns = (
        image_miou(one.counts),
        image_miou(other.counts),
        _right(one.counts),
        _right(other.counts),
        pulls,
    )
    rows = [
        ImageDifference(image_id, *values)
        for image_id, *values in zip(one.counts.image_ids, *(c.tolist() for c in columns), strict=True)
    ]
    there = [row for row in rows if row.difference == row.difference]  # an image without labels has no IoU
    return tuple(sorted(there, key=lambda row: (-row.difference, row.image_id)))


def image_miou(counts: Counts) -> NDArray[np.float64]:
    """[N] mean IoU of each image over the classes in its ground truth or prediction; NaN without labelled pixels."""
    iou = class_iou(counts.intersection, counts.predicted, counts.labelled, AbsentRule.UNION)
    there = ~np.isnan(iou)
    found = there.sum(1)
    means: NDArray[np.float64] = np.where(there, iou, 0.0).sum(1) / np.maximum(found, 1)
    return np.where(found > 0, means, np.nan)


def _right(counts: Counts) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts.intersection.sum(1) / np.maximum(counts.labelled.sum(1), 1)
    return shares


def _without_each(measured: _Measured) -> NDArray[np.float64]:
    """[N] the mIoU of the others, image by image left out; NaN for a single image."""
    counts, total = measured.counts, measured.counts.total()
    if counts.num_images < 2:
        return np.full(counts.num_images, np.nan)
    rest = [
        sums - rows
        for sums, rows in (
            (total.intersection, counts.intersection),
            (total.predicted, counts.predicted),
            (total.labelled, counts.labelled),
        )
    ]
    rule = AbsentRule(measured.record.protocol["absent_rule"])
    return metrics_of(rest[0], rest[1], rest[2], seen_mask(measured.record), rule)["miou"]
