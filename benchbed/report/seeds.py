"""Records of one method, configuration and recipe that differ in their weights alone, and how sure each one's accuracy is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbed.metrics.bootstrap import replicate_metrics
from benchbed.report.figures import seen_mask
from benchbed.report.rows import Row


def siblings(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Rows with counts of two images or more, by label, recipe and the network's configuration; those of the
    same weights count once.

    Of several records of the same weights, one that knows their training is taken.

    Args:
        rows: of one group.
    """
    usable = [row for row in rows if row.record and row.record.counts and row.record.counts.num_images > 1]
    by_weights: dict[tuple[str, str], Row] = {}
    for row in sorted(usable, key=lambda row: bool(training_of(row))):
        by_weights[row.label, row.provenance.weights_sha256] = row
    kept = [row for row in usable if by_weights[row.label, row.provenance.weights_sha256] is row]
    return [tuple(each) for _, each in groupby(sorted(kept, key=_kind), key=_kind)]


def training_of(row: Row) -> dict[str, Any]:
    """What the record says of the training of its weights; empty where that is not known."""
    return (row.record.method["weights"].get("training") or {}) if row.record else {}


def replicates(row: Row) -> dict[str, NDArray[np.float64]]:
    """Bootstrap replicates of each metric, percent."""
    assert row.record is not None
    assert row.record.counts is not None
    draws = replicate_metrics(row.record.counts, seen_mask(row.record), row.record.protocol["absent_rule"])
    return {name: 100 * values for name, values in draws.items()}


def _kind(row: Row) -> tuple[str, str, str]:
    """Configuration too: what a network starts from may stand there and in no recipe."""
    config = row.record.method.get("config") if row.record else None
    return row.label, str(training_of(row).get("recipe", "")), json.dumps(config, sort_keys=True)
