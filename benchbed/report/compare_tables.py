"""Paired differences as tables, and as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from benchbed.compare import COMPARED, Comparison, ImageDifference
from benchbed.metrics import LEVEL, Difference
from benchbed.records import Record
from benchbed.report.rows import not_for_words
from benchbed.report.run_tables import FEW_IMAGES
from benchbed.report.table import Cell, Table, absent, number, text, unique

NAMES: Final = {"miou": "mIoU", "seen_miou": "seen mIoU", "unseen_miou": "unseen mIoU", "hiou": "hIoU"}


def compare_tables(found: Sequence[Comparison], images: int) -> list[Table]:
    """Differences of all pairs, then the images won and lost most, a table a pair.

    Args:
        found: from `benchbed.compare.compare`.
        images: how many won and how many lost images to show.
    """
    return [_differences(found), *(_images(each, images) for each in found if images and each.images)]


def compare_dict(found: Sequence[Comparison], images: int) -> dict[str, Any]:
    """The same as plain data; differences in points (percent), images' IoU in percent."""
    return {
        "replicates": _replicates(found),
        "level": LEVEL,
        "comparisons": [_pair_dict(each, images) for each in found],
    }


def _differences(found: Sequence[Comparison]) -> Table:
    first = found[0].first
    columns = ("first - second, points", *NAMES.values(), "first's latency / second's")
    title = f"Paired differences: {first.dataset['name']}, {first.dataset['coverage']}, protocol {first.protocol['name']}"
    return Table(f"{title} {first.protocol['fingerprint']}", columns, tuple(map(_row, found)), _notes(found))


def _row(each: Comparison) -> tuple[Cell, ...]:
    cells = [_difference(each.differences[m], each.corrected[m]) for m in COMPARED]
    return (text(f"{each.first.label} - {each.second.label}"), *cells, number(each.slowdown, 2))


def _difference(found: Difference, corrected: float) -> Cell:
    if math.isnan(found.value):
        return absent()
    star = "*" if corrected < 1 - LEVEL else ""
    low, high = 100 * found.interval.low, 100 * found.interval.high
    return Cell(f"{100 * found.value:+.2f} [{low:+.2f}, {high:+.2f}] p {corrected:.3f}{star}", "measured")


def _notes(found: Sequence[Comparison]) -> tuple[str, ...]:
    first, records = found[0].first, _records(found)
    pairs = f"Holm-corrected over {len(found)} pairs" if len(found) > 1 else "of one pair, uncorrected"
    notes = [
        f"[low, high]: {100 * LEVEL:.0f} % bootstrap interval of the difference over images, both methods on the same draws "
        f"({_replicates(found):,}); p: two-sided, {pairs}, metric by metric; *: below {1 - LEVEL:.2f}",
        f"absent classes: rule {first.protocol['absent_rule']}; background {first.protocol['background']}",
    ]
    if first.dataset["images"] < FEW_IMAGES:
        notes.append(f"{first.dataset['images']} images: too few for an interval that means much")
    notes += [f"{r.label}: {r.method['weights']['note']}" for r in records if r.random_weights]
    notes += [_supervised(r) for r in records] + [_not_for(r) for r in records]
    notes.append(_machines(records))
    return unique(notes)


def _replicates(found: Sequence[Comparison]) -> int:
    """How many draws there were; a metric that some draw does not have counts fewer of its own."""
    return max(each.interval.replicates for pair in found for each in pair.differences.values())


def _supervised(record: Record) -> str:
    if not record.method["card"]["supervised"]:
        return ""
    return f"{record.label} was trained with masks of all classes: no zero-shot result"


def _not_for(record: Record) -> str:
    reason = not_for_words(record)
    return f"{record.label}: {reason}" if reason else ""


def _machines(records: Sequence[Record]) -> str:
    """Why no latency is compared, where it is not."""
    machines = {record.environment.get("machine") for record in records}
    runs = {(record.cost.get("latency") or {}).get("run_id") for record in records}
    if len(machines) > 1:
        return "latency is not compared: the records are of different machines"
    return "latency is compared only within one interleaved run" if len(runs) > 1 else ""


def _records(found: Sequence[Comparison]) -> list[Record]:
    return list({r.id: r for each in found for r in (each.first, each.second)}.values())


def _images(each: Comparison, count: int) -> Table:
    won = [row for row in each.images if row.difference > 0]
    lost = [row for row in each.images if row.difference < 0]
    rows = [("won", row) for row in won[:count]] + [("lost", row) for row in reversed(lost[-count:])]
    columns = (
        "",
        "image",
        "first mIoU %",
        "second mIoU %",
        "points",
        "first right %",
        "second right %",
        "pull",
    )
    return Table(
        f"Images that {each.first.label} wins and loses most against {each.second.label}",
        columns,
        tuple((text(side), *_image_row(row)) for side, row in rows),
        (
            f"won {len(won)}, lost {len(lost)}, tied {len(each.images) - len(won) - len(lost)}; "
            "mIoU of one image: over the classes in its ground truth or prediction",
            "right: labelled pixels; pull: points by which the whole difference in mIoU would fall without the image",
        ),
    )


def _image_row(row: ImageDifference) -> tuple[Cell, ...]:
    shares = [f"{100 * share:.1f}" for share in (row.first_right, row.second_right)]
    return (
        text(row.image_id),
        Cell(f"{100 * row.first:.1f}", "measured"),
        Cell(f"{100 * row.second:.1f}", "measured"),
        Cell(f"{100 * row.difference:+.1f}", "measured"),
        *[Cell(share, "measured") for share in shares],
        absent() if math.isnan(row.pull) else Cell(f"{100 * row.pull:+.2f}", "measured"),
    )


def _pair_dict(each: Comparison, images: int) -> dict[str, Any]:
    lost = tuple(reversed(each.images))
    return {
        "first": {"id": each.first.id, "label": each.first.label},
        "second": {"id": each.second.id, "label": each.second.label},
        "differences": {m: _difference_dict(each.differences[m], each.corrected[m]) for m in COMPARED},
        "slowdown": each.slowdown.as_dict() if each.slowdown else None,
        "won": [_image_dict(row) for row in each.images[:images] if row.difference > 0],
        "lost": [_image_dict(row) for row in lost[:images] if row.difference < 0],
    }


def _difference_dict(found: Difference, corrected: float) -> dict[str, Any]:
    values = {
        "points": 100 * found.value,
        "low": 100 * found.interval.low,
        "high": 100 * found.interval.high,
        "p": found.p_value,
        "p_holm": corrected,
    }
    return {name: _finite(value) for name, value in values.items()}


def _image_dict(row: ImageDifference) -> dict[str, Any]:
    values = {
        "first_miou": row.first,
        "second_miou": row.second,
        "first_right": row.first_right,
        "second_right": row.second_right,
        "pull": row.pull,
    }
    return {"image": row.image_id, **{name: _finite(100 * value) for name, value in values.items()}}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
