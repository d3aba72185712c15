"""The tables that a run ends with: accuracy, cost and stages, one of each for every group of comparable records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from benchbed.protocol import differences
from benchbed.records import Record
from benchbed.report.figures import (
    accuracy_figures,
    latency_figure,
    slowdown_figure,
    stage_medians,
    throughput_figure,
)
from benchbed.report.rows import not_for_words, skipped_words
from benchbed.report.table import Cell, Table, absent, number, significant, text, unique
from benchbed.stages import STAGES, UNACCOUNTED

MIB: Final = 2**20
FEW_IMAGES: Final = 10
ACCURACY_COLUMNS: Final = {
    "miou": "mIoU %",
    "seen_miou": "seen mIoU %",
    "unseen_miou": "unseen mIoU %",
    "hiou": "hIoU %",
    "pixel_accuracy": "pixel acc. %",
}


def run_tables(records: Sequence[Record]) -> list[Table]:
    """Accuracy, cost and stage tables; records whose dataset, images or protocol differ never share one."""
    groups = [list(group) for _, group in groupby(sorted(records, key=_by_group), key=_by_group)]
    tables: list[Table] = []
    for group in groups:
        own = [accuracy_table(group), cost_table(group)]
        if any(stage_medians(record) for record in group):
            own.append(stage_table(group))
        apart = [_apart(group[0], other[0]) for other in groups if other is not group]
        skipped = [skipped_words(record) for record in group]
        tables += [replace(table, notes=unique((*skipped, *table.notes, *apart))) for table in own]
    return tables


def _by_group(record: Record) -> tuple[str, str, str]:
    return record.group


def _apart(record: Record, other: Record) -> str:
    """Why two records of the same dataset stand in different tables; "" for different datasets."""
    if record.dataset["name"] != other.dataset["name"]:
        return ""
    fields = differences(record.protocol, other.protocol)
    if record.dataset["used_identity"] != other.dataset["used_identity"]:
        fields.append(f"images: {record.dataset['coverage']} / {other.dataset['coverage']}")
    return f"not comparable with {other.label} in another table: {'; '.join(fields)}"


def accuracy_table(group: Sequence[Record]) -> Table:
    """Accuracy with bootstrap intervals over images; says in every row what the weights are."""
    rows = tuple(_accuracy_row(record) for record in group)
    return Table(
        _title("Accuracy", group[0]),
        ("method", "weights", *ACCURACY_COLUMNS.values()),
        rows,
        _accuracy_notes(group),
    )


def _accuracy_row(record: Record) -> tuple[Cell, ...]:
    figures = accuracy_figures(record)
    cells = [number(figures.get(name)) for name in ACCURACY_COLUMNS]
    return (text(record.label), text(weights_text(record)), *cells)


def weights_text(record: Record) -> str:
    """What a row says of its weights."""
    weights = record.method["weights"]
    if weights["kind"] == "random":
        return str(weights["note"])
    return f"{weights['kind']}: {weights['file']}"


def _title(what: str, record: Record) -> str:
    dataset, protocol = record.dataset, record.protocol
    return f"{what}: {dataset['name']}, {dataset['coverage']}, protocol {protocol['name']} {protocol['fingerprint']}"


def _accuracy_notes(group: Sequence[Record]) -> tuple[str, ...]:
    first = group[0]
    notes = ["[low, high]: 95 % bootstrap interval over images"]
    if first.dataset["images"] < FEW_IMAGES:
        notes.append(f"{first.dataset['images']} images: too few for an interval that means much")
    notes.append(
        f"absent classes: rule {first.protocol['absent_rule']}; background {first.protocol['background']}"
    )
    notes += [note for record in group for note in record.dataset["notes"][:1]]
    if first.dataset["images"] < first.dataset["full_size"]:
        notes.append(
            f"{first.dataset['coverage']}: not the official {first.dataset['split']} split as a whole"
        )
    notes += [_supervised(record) for record in group] + [_not_for(record) for record in group]
    return unique(notes)


def _supervised(record: Record) -> str:
    if not record.method["card"]["supervised"]:
        return ""
    return f"{record.label} was trained with masks of all classes: a supervised reference, never a zero-shot result"


def _not_for(record: Record) -> str:
    reason = not_for_words(record)
    return f"{record.label}: {reason}" if reason else ""


def cost_table(group: Sequence[Record]) -> Table:
    """Parameters, FLOPs, latency, throughput and memory; the slow-down is of paired, interleaved rounds."""
    timed = [(figure.value, record) for record in group if (figure := latency_figure(record))]
    fastest = min(timed, key=lambda pair: pair[0])[1] if timed else group[0]
    columns = (
        "method",
        "params M",
        "trainable M",
        "GFLOPs",
        "GMAC",
        "text GFLOPs",
        "latency ms",
        "images/s",
        "x fastest",
        "peak activations MiB",
        "weights MiB",
    )
    return Table(
        _title("Cost", group[0]), columns, tuple(_cost_row(r, fastest) for r in group), _cost_notes(group)
    )


def _cost_row(record: Record, fastest: Record) -> tuple[Cell, ...]:
    params, flops, memory = (record.cost.get(part) for part in ("params", "flops", "memory"))
    return (
        text(record.label),
        _count(params, "total", 1e6),
        _count(params, "trainable", 1e6),
        _count(flops, "total", 1e9),
        _count(flops, "total", 2e9),
        _count(flops, "text", 1e9),
        number(latency_figure(record)),
        number(throughput_figure(record), 2),
        text("1") if record.id == fastest.id else number(slowdown_figure(record, fastest), 2),
        _count(memory, "total_bytes", MIB),
        _count(memory, "weights_bytes", MIB),
    )


def _count(part: dict[str, Any] | None, key: str, unit: float) -> Cell:
    if not part or part.get(key) is None:
        return absent()
    return Cell(significant(part[key] / unit, 4), "measured")


def _cost_notes(group: Sequence[Record]) -> tuple[str, ...]:
    first = group[0]
    threads, precision = first.protocol["threads"], first.protocol["precision"]
    samples = [len(r.cost["latency"]["total_ms"]) for r in group if r.cost.get("latency")]
    gpu = first.environment.get("gpu") or {}
    machine = (
        first.environment["cpu"] if first.protocol["device"] == "cpu" else gpu.get("name", "CUDA device")
    )
    notes = [
        f"latency: median of {min(samples)} interleaved rounds [95 % interval], {first.protocol['timed']}"
        if samples
        else "",
        f"{machine}, {threads} threads, {precision}, batch 1; input {first.protocol['input']}",
        "~: derived (images/s from latency; x fastest from paired rounds of one run)",
        _one_image(group),
        "GFLOPs: 1 multiply-add = 2 FLOPs: convolutions, matrix products and attention, without text and label map",
        *[f"peak activations: above weights and what was held before; {how}" for how in _memory_ways(group)],
    ]
    notes += [
        f"{r.label}: latency includes the text tower, which the official evaluation runs again for every image"
        for r in group
        if r.protocol["resolved"]["text_per_image"]
    ]
    notes += [warning for record in group for warning in record.warnings]
    notes += [f"{record.label}: not measured: {failure}" for record in group for failure in record.failures]
    return unique(notes)


def _one_image(group: Sequence[Record]) -> str:
    """What FLOPs and memory are of, and what latency is of."""
    flops = [(r.label, r.cost["flops"]) for r in group if r.cost.get("flops")]
    sizes = ", ".join(f"{label} {part['input_size'][0]} x {part['input_size'][1]}" for label, part in flops)
    timed = {len(r.cost["latency"]["images"]) for r in group if r.cost.get("latency")}
    images = f"latency over {min(timed)} sample images; " if timed else ""
    return (
        f"{images}GFLOPs and memory of one of them ({flops[0][1]['image']}), at the inputs {sizes}"
        if flops
        else images
    )


def _memory_ways(group: Sequence[Record]) -> list[str]:
    return sorted({r.cost["memory"]["how"] for r in group if r.cost.get("memory")})


def stage_table(group: Sequence[Record]) -> Table:
    """Where the time of one image goes, median ms a stage; what no stage claims is `unaccounted`."""
    medians = {record.label: stage_medians(record) for record in group}
    used = {name for stages in medians.values() for name in stages}
    stages = [name for name in (*STAGES, UNACCOUNTED) if name in used]
    rows = tuple(
        (text(label), *[_stage_cell(each.get(name)) for name in stages]) for label, each in medians.items()
    )
    return Table(_title("Stages, ms", group[0]), ("method", *stages), rows)


def _stage_cell(value: float | None) -> Cell:
    return absent() if value is None else Cell(f"{value:.2f}", "measured")
