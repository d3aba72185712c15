"""Numbers with their intervals, derived from a cost record's raw samples. Free of torch."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from benchbed.cost.noise_floor import NoiseFloor, noise_floor
from benchbed.cost.scaling import Crossing, Law, crossings, fit_laws
from benchbed.cost.statistics import Estimate, median_interval, paired_ratio, percentiles, throughput
from benchbed.cost_records import CostRecord, Point, law_samples, paired_samples, stage_medians
from benchbed.report.figures import Figure

X_UNITS: Final = {"proposals": "proposals", "classes": "classes", "size": "pixels", "batch": "images a batch"}


def as_figure(estimate: Estimate, unit: str, kind: str = "measured") -> Figure:
    """An estimate as tables take it; an interval of one sample is none."""
    if estimate.samples < 2:
        return Figure(estimate.value, math.nan, math.nan, unit, kind)
    return Figure(estimate.value, estimate.low, estimate.high, unit, kind)


def latency(point: Point) -> Figure:
    """Median time of a call, ms."""
    return as_figure(median_interval(point.total_ms), "ms")


def images_per_second(point: Point) -> Figure:
    """From latency, one call after the other: derived."""
    return as_figure(throughput(point.total_ms, point.conditions.batch), "images/s", "derived")


def tail(point: Point) -> dict[str, float]:
    """`p50`, `p90`, `p99` of a call, ms."""
    return percentiles(point.total_ms)


def ratio(record: CostRecord, subject: str, reference: str) -> Figure | None:
    """How many times as long as the reference an image takes, by paired rounds; None where one of the two was not timed."""
    samples = paired_samples(record, [subject, reference])
    if len(samples) < len({subject, reference}):
        return None
    return as_figure(paired_ratio(samples[subject], samples[reference]), "x", "derived")


def fastest(record: CostRecord) -> str:
    """The subject with the least median an image, of those timed; "" where none was."""
    samples = paired_samples(record, list(record.subjects))
    return min(samples, key=lambda subject: float(np.median(samples[subject])), default="")


def plain_of(record: CostRecord, subject: str) -> str:
    """The same method run plainly: its key is its label."""
    return record.label(subject)


def text_figure(facts: dict[str, Any]) -> Figure | None:
    """Time of encoding the whole vocabulary, ms; derived where only some of its classes were encoded."""
    text = facts.get("text")
    if not text:
        return None
    scale = text["of"] / text["classes"]
    kind = "measured" if scale == 1 else "derived"
    return Figure(scale * float(np.median(text["total_ms"])), math.nan, math.nan, "ms", kind)


def matmul_share(record: CostRecord, subject: str) -> Figure | None:
    """Counted FLOPs a second over the measured peak of a matrix product in the same precision, percent."""
    facts, point = record.subjects[subject], record.base(subject)
    peak = record.matmul_peak.get(facts["options"]["precision"])
    if point is None or peak is None or not facts.get("flops"):
        return None
    flops = (facts["flops"]["total"] + facts["flops"]["label_map"]) * point.conditions.batch
    percent = [100 * flops / (ms / 1000) / peak["flops_per_s"] for ms in point.total_ms]
    return as_figure(median_interval(percent), "%", "derived")


def batch_throughput(facts: dict[str, Any]) -> Figure | None:
    """Images a second at the largest batch that fits; None where that was not measured."""
    found = facts.get("throughput")
    if not found or not found["batch_ms"]:
        return None
    return as_figure(throughput(found["batch_ms"], found["batch"] * found["batches"]), "images/s")


def batch_matmul_share(record: CostRecord, subject: str) -> float | None:
    """As `matmul_share`, at the largest batch, percent."""
    facts = record.subjects[subject]
    rate, peak = batch_throughput(facts), record.matmul_peak.get(facts["options"]["precision"])
    if rate is None or peak is None or not facts.get("flops"):
        return None
    flops = facts["flops"]["total"] + facts["flops"]["label_map"]
    return float(100 * rate.value * flops / peak["flops_per_s"])


def joules_an_image(facts: dict[str, Any]) -> float | None:
    """None where there is no meter."""
    energy = facts.get("energy")
    return float(energy["joules"] / energy["images"]) if energy else None


def floor_of(record: CostRecord) -> NoiseFloor | None:
    """What the A/A pair of this run says; None without one."""
    null = record.null
    return noise_floor(null["first_ms"], null["second_ms"]) if null else None


def ledger(record: CostRecord, subject: str) -> dict[str, dict[str, float]]:
    """stage -> `ms`, `flops`, `bytes`, as far as each was measured; `unaccounted` among them."""
    facts, point = record.subjects[subject], record.base(subject)
    columns: dict[str, dict[str, float]] = {
        "ms": stage_medians(point) if point else {},
        "flops": _stage_flops(facts),
        "bytes": (facts.get("memory") or {}).get("per_stage", {}),
    }
    stages = dict.fromkeys(stage for each in columns.values() for stage in each)
    return {stage: {name: each[stage] for name, each in columns.items() if stage in each} for stage in stages}


def _stage_flops(facts: dict[str, Any]) -> dict[str, float]:
    """Of one image; the label map's product, which is counted by formula, at its own stage."""
    flops = facts.get("flops")
    if not flops:
        return {}
    stages = dict(flops["per_stage"])
    stages["label_map"] = stages.get("label_map", 0) + flops["label_map"]
    return stages


def laws(record: CostRecord, axis: str) -> dict[str, Law]:
    """A law for each subject that was measured along the axis, ms an image over the axis's numbers."""
    samples = law_samples(record, axis)
    return fit_laws(samples) if samples else {}


def overtakings(found: dict[str, Law]) -> list[tuple[str, str, Crossing]]:
    """(cheaper below, cheaper above, where) for each pair of laws that meet."""
    names = list(found)
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    met = [(a, b, each) for a, b in pairs for each in crossings(found[a], found[b])]
    return [(a, b, each) if each.below == "first" else (b, a, each) for a, b, each in met]


def x_words(axis: str, x: float) -> str:
    """A place on an axis in words: pixels for sizes, else a number."""
    shown = f"{x:,.0f}" if axis == "size" or x >= 100 else f"{x:.3g}"
    return f"{shown} {X_UNITS[axis]}"


def axis_text(axis: str, value: Any) -> str:
    """A value of an axis as a person writes it."""
    return f"{value[0]} x {value[1]}" if axis == "size" else str(value)
