"""What a dry run shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchbed.report.table import Cell, Table, significant, text


def plan_table(rows: Sequence[dict[str, Any]], out: str) -> Table:
    """One row an item, its expected cost, and the sum below."""
    columns = (
        "item",
        "protocol",
        "weights",
        "images",
        "input",
        "params M",
        "ms an image",
        "text ms",
        "expected s",
    )
    total = sum(row["expected_s"] for row in rows)
    notes = (
        "ms an image and text ms: one call each, made now, with random weights; expected s is extrapolated from them",
        f"in all about {total:.0f} s; records go to {out}; nothing was measured for a record",
    )
    return Table("Plan", columns, tuple(_row(row) for row in rows), notes)


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        text(row["item"]),
        text(f"{row['protocol']} {row['fingerprint']}"),
        text(row["weights"]),
        text(row["images"]),
        text(row["input_size"]),
        Cell(significant(row["params"] / 1e6, 4), "measured"),
        Cell(significant(row["image_ms"]), "measured"),
        Cell(significant(row["text_ms"]), "measured"),
        Cell(f"~{row['expected_s']:.0f}", "derived"),
    )
