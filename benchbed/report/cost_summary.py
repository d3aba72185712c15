"""A cost record's derived numbers as plain data, for `--json`."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from benchbed.cost_records import CostRecord
from benchbed.report import cost_record_figures as figures
from benchbed.report.figures import Figure

COPIED = (
    "label",
    "options",
    "weights",
    "proposals",
    "params",
    "flops",
    "memory",
    "text",
    "outputs",
    "energy",
)


def cost_summary(record: CostRecord) -> dict[str, Any]:
    """What tables show of a cost record: figures with intervals, ledgers, laws, crossings, noise floor."""
    floor = figures.floor_of(record)
    return {
        "id": record.id,
        "protocol": record.protocol,
        "conditions": record.conditions.as_dict(),
        "stopping": record.stopping,
        "subjects": {key: _subject(record, key) for key in record.subjects},
        "paired": _paired(record),
        "sweeps": {axis: _sweep(record, axis) for axis in record.sweeps},
        "noise_floor": None if floor is None else floor.as_dict(),
        "matmul_peak": {name: peak["flops_per_s"] for name, peak in record.matmul_peak.items()},
        "warnings": list(record.warnings),
        "failures": list(record.failures),
    }


def _paired(record: CostRecord) -> list[dict[str, Any]]:
    """How many times the second's time an image the first takes, by paired rounds, of every two subjects, either way round."""
    return [
        {"first": one, "second": other, "x": found.as_dict()}
        for one, other in permutations(record.subjects, 2)
        if (found := figures.ratio(record, one, other)) is not None
    ]


def _subject(record: CostRecord, key: str) -> dict[str, Any]:
    facts, point = record.subjects[key], record.base(key)
    quickest = figures.fastest(record)
    found: dict[str, Any] = {
        "text_ms": figures.text_figure(facts),
        "matmul_percent": figures.matmul_share(record, key),
        "batch_throughput": figures.batch_throughput(facts),
    }
    if point is not None:
        found |= {
            "latency": figures.latency(point),
            "throughput": figures.images_per_second(point),
            "x_fastest": figures.ratio(record, key, quickest),
            "x_plain": figures.ratio(record, key, figures.plain_of(record, key)),
        }
    numbers = {name: each.as_dict() if isinstance(each, Figure) else None for name, each in found.items()}
    timing = {} if point is None else {"cold_ms": point.latency["first_call_ms"], **figures.tail(point)}
    return {
        **{name: facts.get(name) for name in COPIED},
        **numbers,
        **timing,
        "joules_an_image": figures.joules_an_image(facts),
        "batches_tried": (facts.get("throughput") or {}).get("steps"),
        "stages": figures.ledger(record, key),
        "failures": facts["failures"],
    }


def _sweep(record: CostRecord, axis: str) -> dict[str, Any]:
    laws = figures.laws(record, axis)
    return {
        "points": {
            key: [
                {"value": value, **figures.latency(point).as_dict()}
                for value, point in record.sweep(axis, key)
            ]
            for key in record.subjects
        },
        "laws": {key: law.as_dict() for key, law in laws.items()},
        "crossings": [
            {"faster_below": below, "faster_above": above, **each.as_dict()}
            for below, above, each in figures.overtakings(laws)
        ],
    }
