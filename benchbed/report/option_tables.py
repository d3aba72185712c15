"""The tables of `benchbed cost` that stand only where they were asked for: ways of running, and throughput."""

from __future__ import annotations

from typing import Any

from benchbed.cost_records import CostRecord
from benchbed.report import cost_record_figures as figures
from benchbed.report.cost_tables import MIB, scaled, title
from benchbed.report.table import Cell, Table, absent, number, text, unique


def option_tables(record: CostRecord) -> list[Table]:
    """None, one or both of them."""
    tables = []
    if any(key != facts["label"] for key, facts in record.subjects.items()):
        tables.append(options_table(record))
    if any(facts.get("throughput") for facts in record.subjects.values()):
        tables.append(throughput_table(record))
    return tables


def options_table(record: CostRecord) -> Table:
    """Each way of running against the plain one of the same method, and whether it predicts the same."""
    rows = []
    for key, facts in record.subjects.items():
        plain = figures.plain_of(record, key)
        outputs, memory = facts.get("outputs") or {}, facts.get("memory") or {}
        point = record.base(key)
        rows.append(
            (
                text(key),
                number(figures.latency(point)) if point else absent(),
                text("1") if key == plain else number(figures.ratio(record, key, plain), 3),
                scaled(memory.get("total_bytes"), MIB),
                text(_predictions(outputs)) if outputs else absent(),
            )
        )
    columns = ("method", "steady ms", "x plain", "peak activations MiB", "predictions")
    notes = (
        "x plain: time over that of the plain pass (float32, eager, NCHW) of the same method, paired rounds; below 1 is faster",
        "predictions: timed label maps, hashed, against the pass that accuracy is measured with; with random weights and few "
        "classes in the maps, agreement says little: measure with --weights",
    )
    return Table(title("Ways of running", record), columns, tuple(rows), notes, name="options")


def _predictions(outputs: dict[str, Any]) -> str:
    classes = f"{outputs['classes']} class{'es' if outputs['classes'] != 1 else ''} in the maps"
    if outputs["same"] and outputs["timed_same"]:
        return f"the same ({classes})"
    repeat = "" if outputs["timed_same"] else ", and rounds differ among themselves"
    return f"{100 * outputs['agreement']:.3f} % of pixels agree{repeat} ({classes})"


def throughput_table(record: CostRecord) -> Table:
    """The largest batch that fits, what it gives, and the steps that did not fit."""
    rows, notes = [], []
    for key, facts in record.subjects.items():
        found = facts.get("throughput")
        if not found:
            continue
        share = figures.batch_matmul_share(record, key)
        fitting = [step for step in found["steps"] if step["fits"]]
        peak = max((step["peak_bytes"] for step in fitting), default=None)
        rows.append(
            (
                text(key),
                text(found["largest_batch"]),
                number(figures.batch_throughput(facts), 2),
                Cell(f"~{share:.1f}", "derived") if share is not None else absent(),
                scaled(peak, MIB),
                scaled(found["budget_bytes"], MIB),
                text(
                    ", ".join(f"{s['batch']} {'fits' if s['fits'] else 'does not'}" for s in found["steps"])
                ),
            )
        )
        notes.append(f"{key}: {found['limit']}")
    columns = ("method", "largest batch", "images/s", "% of matmul peak", "peak MiB", "allowed MiB", "tried")
    return Table(title("Throughput", record), columns, tuple(rows), unique(notes), name="throughput")
