"""A record's derived numbers as plain data, for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from benchbed.metrics import AbsentRule, accuracy
from benchbed.records import Record
from benchbed.report.figures import (
    Figure,
    accuracy_figures,
    latency_figure,
    seen_mask,
    slowdown_figure,
    stage_medians,
    throughput_figure,
)


def summary(record: Record, full: bool = False) -> dict[str, Any]:
    """What a table shows of a record; with `full`, also other rules, per-class IoU, protocol and machine."""
    content: dict[str, Any] = {
        "id": record.id,
        "label": record.label,
        "dataset": {
            **{key: record.dataset[key] for key in ("name", "split", "images", "full_size", "coverage")},
            "skipped": list(record.dataset.get("skipped", ())),
        },
        "protocol": {key: record.protocol[key] for key in ("name", "fingerprint")},
        "weights": record.method["weights"],
        "accuracy": _figures(accuracy_figures(record)),
        "cost": _cost(record),
        "warnings": list(record.warnings),
        "failures": list(record.failures),
    }
    return {**content, **_rest(record)} if full else content


def paired_latencies(records: Sequence[Record]) -> list[dict[str, Any]]:
    """How many times the second's latency the first takes, of every two records of one interleaved run, either way round."""
    return [
        {
            "first": {"id": one.id, "label": one.label},
            "second": {"id": other.id, "label": other.label},
            "x": found.as_dict(),
        }
        for one, other in permutations(records, 2)
        if (found := slowdown_figure(one, other)) is not None
    ]


def _figures(figures: dict[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_dict() for name, figure in figures.items()}


def _cost(record: Record) -> dict[str, Any]:
    figures = {"latency": latency_figure(record), "throughput": throughput_figure(record)}
    derived = {name: figure.as_dict() for name, figure in figures.items() if figure}
    parts = {name: record.cost.get(name) for name in ("params", "flops", "memory", "text")}
    return {**derived, "stages_ms": stage_medians(record), **parts}


def _rest(record: Record) -> dict[str, Any]:
    return {
        "accuracy_by_rule": {rule.value: _figures(accuracy_figures(record, rule)) for rule in AbsentRule},
        "class_iou_percent": class_iou(record),
        "method": record.method,
        "full_protocol": record.protocol,
        "environment": record.environment,
        "bench": record.bench,
        "created": record.created,
    }


def class_iou(record: Record) -> dict[str, float | None]:
    """Class name -> IoU in percent under the record's rule, None where the rule leaves the class out."""
    if record.counts is None:
        return {}
    found = accuracy(record.counts, seen_mask(record), record.protocol["absent_rule"]).class_iou
    return {
        name: None if value != value else 100 * float(value)
        for name, value in zip(record.dataset["names"], found, strict=True)
    }
