"""One record in full, as tables."""

from __future__ import annotations

from typing import Any

from benchbed.metrics import AbsentRule
from benchbed.records import Record
from benchbed.report.figures import accuracy_figures
from benchbed.report.run_tables import accuracy_table, cost_table, stage_table, weights_text
from benchbed.report.summary import class_iou
from benchbed.report.table import Cell, Table, absent, number, text


def record_tables(record: Record, path: str) -> list[Table]:
    """Facts, accuracy (also under every absent-class rule and per class), cost, stages, protocol, machine."""
    tables = [_facts(record, path)]
    if record.counts is not None:
        tables += [accuracy_table([record]), _rules(record), _classes(record)]
    tables.append(cost_table([record]))
    if record.cost.get("latency"):
        tables.append(stage_table([record]))
    return [*tables, _pairs("Protocol", record.protocol), _pairs("Machine", record.environment)]


def _facts(record: Record, path: str) -> Table:
    card = record.method["card"]
    facts = {
        "record": f"{record.id}, {path}",
        "measured": f"{record.created}, benchbed {record.bench['version']} at {record.bench['commit'] or 'no commit'}"
        + (" with uncommitted changes" if record.bench["dirty"] else ""),
        "method": f"{record.label}: {card['title']} ({card['venue']} {card['year']})",
        "weights": f"{weights_text(record)}, SHA-256 {record.method['weights']['sha256'][:16]}",
        "trained on": record.method["weights"].get("trained_on"),
        "dataset": f"{record.dataset['title']}; {record.dataset['coverage']}",
    }
    return _pairs("Record", facts)


def _rules(record: Record) -> Table:
    names = ("miou", "seen_miou", "unseen_miou", "hiou", "mean_accuracy", "frequency_weighted_iou")
    rows = tuple(
        (text(rule.value), *[number(accuracy_figures(record, rule)[name], 2) for name in names])
        for rule in AbsentRule
    )
    title = "The same counts under each published rule for absent classes"
    return Table(title, ("rule", "mIoU %", "seen %", "unseen %", "hIoU %", "mean acc. %", "fwIoU %"), rows)


def _classes(record: Record) -> Table:
    seen = dict(zip(record.dataset["names"], record.dataset["seen"], strict=True))
    rows = tuple(
        (text(name), text("seen" if seen[name] else "unseen"), _iou(v))
        for name, v in class_iou(record).items()
    )
    return Table("IoU of each class", ("class", "set", "IoU %"), rows)


def _iou(value: float | None) -> Cell:
    return absent() if value is None else Cell(f"{value:.2f}", "measured")


def _pairs(title: str, content: dict[str, Any]) -> Table:
    rows = tuple(
        (text(key), text(_plain(value))) for key, value in content.items() if value not in (None, "", [], {})
    )
    return Table(title, ("", ""), rows)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    return str(value)
