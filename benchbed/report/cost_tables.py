"""The tables of every `benchbed cost`: size and work, time, stages side by side."""

from __future__ import annotations

from typing import Any, Final

from benchbed.cost_records import CostRecord
from benchbed.report import cost_record_figures as figures
from benchbed.report.table import Cell, Table, absent, number, significant, text, unique
from benchbed.stages import STAGES, UNACCOUNTED

MIB: Final = 2**20


def cost_tables(record: CostRecord) -> list[Table]:
    """What every cost record has; more is in `benchbed.report.option_tables` and `benchbed.report.sweep_tables`."""
    return [work_table(record), time_table(record), stage_table(record)]


def _plain_keys(record: CostRecord) -> list[str]:
    return [key for key, facts in record.subjects.items() if key == facts["label"]]


def title(what: str, record: CostRecord) -> str:
    """Under what all of a record's numbers hold."""
    base = record.conditions
    proposals = f"{base.proposals} proposals" if base.proposals else "proposals as published"
    return (
        f"{what}: {base.size[0]} x {base.size[1]}, {base.classes} classes, {proposals}, batch {base.batch}, "
        f"protocol {record.protocol['name']} {record.protocol['fingerprint']}"
    )


def work_table(record: CostRecord) -> Table:
    """Parameters, operations and memory."""
    columns = (
        "method",
        "input",
        "proposals",
        "params M",
        "trainable M",
        "frozen CLIP M",
        "unused M",
        "GFLOPs",
        "GMAC",
        "label map GFLOPs",
        "text GFLOPs",
        "peak activations MiB",
        "weights MiB",
    )
    notes = [
        "GFLOPs: 1 multiply-add = 2 FLOPs (floating-point operations, not a second); GMAC: billions of multiply-adds, "
        "half of it, which many papers print as GFLOPs; of one image, text and label map apart",
        *[f"counted: {f['flops']['counted']}" for f in record.subjects.values() if f.get("flops")],
        "unused: parameters that no operator reads at inference",
        *[
            f"peak activations of a batch of {f['memory']['batch']}: above weights and what was held before; {f['memory']['how']}"
            for f in record.subjects.values()
            if f.get("memory")
        ],
    ]
    rows = tuple(_work_row(record, key) for key in _plain_keys(record))
    return Table(title("Size and work", record), columns, rows, unique(notes), name="work")


def _work_row(record: CostRecord, key: str) -> tuple[Cell, ...]:
    facts = record.subjects[key]
    params, flops, memory = (facts.get(part) or {} for part in ("params", "flops", "memory"))
    size = flops.get("input_size")
    proposals = record.base_of(key).proposals
    return (
        text(key),
        text(f"{size[0]} x {size[1]}") if size else absent(),
        text(proposals) if proposals else absent(),
        *[scaled(params.get(n), 1e6) for n in ("total", "trainable", "frozen_clip", "unused_at_inference")],
        scaled(flops.get("total"), 1e9),
        scaled(flops.get("total"), 2e9),
        scaled(flops.get("label_map"), 1e9),
        scaled(flops.get("text"), 1e9),
        scaled(memory.get("total_bytes"), MIB),
        scaled(memory.get("weights_bytes"), MIB),
    )


def scaled(value: float | None, unit: float) -> Cell:
    """A number in a unit, with four digits."""
    return absent() if value is None else Cell(significant(value / unit, 4), "measured")


def _shown(value: float | None, digits: int = 3, kind: Any = "measured") -> Cell:
    return absent() if value is None else Cell(significant(value, digits), kind)


def time_table(record: CostRecord) -> Table:
    """The cold call, the text, and the steady state apart."""
    columns = (
        "method",
        "cold call ms",
        "text ms",
        "steady ms",
        "p90 ms",
        "p99 ms",
        "images/s",
        "x fastest",
        "% of matmul peak",
        "J an image",
    )
    quickest = figures.fastest(record)
    rows = tuple(_time_row(record, key, quickest) for key in record.subjects)
    return Table(title("Time", record), columns, rows, _time_notes(record), name="time")


def _time_row(record: CostRecord, key: str, quickest: str) -> tuple[Cell, ...]:
    facts, point = record.subjects[key], record.base(key)
    encoding = figures.text_figure(facts)
    joules = figures.joules_an_image(facts)
    if point is None:
        return (text(key), absent(), number(encoding), *[absent()] * 6, _shown(joules))
    tails = figures.tail(point)
    return (
        text(key),
        _shown(point.latency["first_call_ms"]),
        number(encoding),
        number(figures.latency(point)),
        _shown(tails["p90"]),
        _shown(tails["p99"]),
        number(figures.images_per_second(point), 2),
        text("1") if key == quickest else number(figures.ratio(record, key, quickest), 2),
        number(figures.matmul_share(record, key)),
        _shown(joules),
    )


def _time_notes(record: CostRecord) -> tuple[str, ...]:
    stopping, floor = record.stopping, figures.floor_of(record)
    reasons = {
        "narrow": f"stopped because every interval was within {stopping['until']:.0%} of its median",
        "time": f"stopped because the {stopping['seconds']:.0f} s were up",
        "most": "stopped at the most rounds",
        "interrupted": "interrupted by the user",
    }
    notes = [
        f"steady: median of {stopping['rounds']} interleaved rounds in alternating order [95 % interval]; "
        f"{reasons.get(stopping['why'], stopping['why'])}; timed: {record.protocol['timed']}",
        _machine(record),
        "cold call: the very first one of the process, of the first place measured; text: encoding the whole vocabulary "
        f"({record.protocol['text']}: it is not in the other columns)",
        *_sampled_text(record),
        *[
            f"{key}: steady includes the text tower, which the official evaluation runs again for every image"
            for key, facts in record.subjects.items()
            if facts["text_per_image"]
        ],
        "~: derived (images/s from latency; x fastest from paired rounds; % of matmul peak from counted FLOPs)",
        *[
            f"matmul peak, measured: {peak['flops_per_s'] / 1e9:,.0f} GFLOP/s in {name} ({peak['side']} x {peak['side']})"
            for name, peak in record.matmul_peak.items()
        ],
        *_beyond_the_peak(record),
        "" if floor is None else _floor_words(record, floor),
        *record.warnings,
        *[f"not measured: {each}" for each in record.failures],
    ]
    return unique(notes)


def _beyond_the_peak(record: CostRecord) -> list[str]:
    """A share above 100 % means that the yardstick was measured while others worked."""
    shares = [figures.matmul_share(record, key) for key in record.subjects]
    if any(share is not None and share.value > 100 for share in shares):
        return [
            "a share above 100 %: others worked while the matmul peak was measured; measure on a quiet machine"
        ]
    return []


def _floor_words(record: CostRecord, floor: Any) -> str:
    return (
        f"noise floor: {record.null['subject']} against itself (A/A) {floor.ratio.value:.3f} "
        f"[{floor.ratio.low:.3f}, {floor.ratio.high:.3f}]; differences below {floor.smallest_effect:.1%} mean nothing here"
    )


def _sampled_text(record: CostRecord) -> list[str]:
    found = []
    for facts in record.subjects.values():
        cost = facts.get("text") or {}
        if cost and cost["classes"] < cost["of"]:
            found.append(
                f"{facts['label']}: text scaled from {cost['classes']} of {cost['of']} classes, and the others' features are "
                "repetitions of theirs: time does not depend on them"
            )
    return found


def _machine(record: CostRecord) -> str:
    environment = record.environment
    gpu = environment.get("gpu") or {}
    on_cpu = record.protocol["device"] == "cpu"
    machine = environment["cpu"] if on_cpu else gpu.get("name", "CUDA device")
    weights = unique([str(f["weights"]["note"] or f["weights"]["kind"]) for f in record.subjects.values()])
    return f"{machine}, {record.protocol['threads']} threads; photos drawn by benchbed; {'; '.join(weights)}"


def stage_table(record: CostRecord) -> Table:
    """Time, operations and memory of each stage side by side; what no stage claims is `unaccounted`."""
    rows: list[tuple[Cell, ...]] = []
    for key in record.subjects:
        ledger = figures.ledger(record, key)
        spent = sum(each.get("ms", 0.0) for each in ledger.values())
        for stage in (*STAGES, UNACCOUNTED):
            if stage in ledger:
                rows.append(_stage_row(key, stage, ledger[stage], spent))
    columns = ("method", "stage", "ms", "% of time", "GFLOPs", "GFLOP/s", "highest MiB")
    notes = (
        "ms: median of the rounds, of the whole batch; a stage's time excludes stages inside it; GFLOPs: of one image, "
        "products alone, so a stage of copies and resizes has none",
        "highest MiB: the highest level during the stage, what earlier stages left behind included; levels do not add up",
        "unaccounted: what no stage claims",
    )
    return Table(title("Stages", record), columns, tuple(rows), notes, name="stages")


def _stage_row(key: str, stage: str, entry: dict[str, float], spent: float) -> tuple[Cell, ...]:
    ms, flops = entry.get("ms"), entry.get("flops")
    rate = flops / (ms / 1000) / 1e9 if flops and ms else None
    return (
        text(key),
        text(stage),
        _shown(ms),
        Cell(f"{100 * ms / spent:.1f}", "derived") if ms is not None and spent else absent(),
        _shown(flops / 1e9 if flops is not None else None, 4),
        _shown(rate, kind="derived"),
        _shown(entry["bytes"] / MIB if "bytes" in entry else None),
    )
