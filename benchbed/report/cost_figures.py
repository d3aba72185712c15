"""A record's cost as figures by name, in the units that tables show."""

from __future__ import annotations

import math
from typing import Any, Final

from benchbed.records import Record
from benchbed.report.figures import Figure, latency_figure, throughput_figure

MIB: Final = 2**20
# figure name -> part of `Record.cost`, key in it, what one unit is, unit. 1 multiply-add = 2 FLOPs.
COUNTED: Final = {
    "params": ("params", "total", 1e6, "M"),
    "trainable": ("params", "trainable", 1e6, "M"),
    "gflops": ("flops", "total", 1e9, "GFLOPs"),
    "gmac": ("flops", "total", 2e9, "GMAC"),
    "text_gflops": ("flops", "text", 1e9, "GFLOPs"),
    "memory": ("memory", "total_bytes", MIB, "MiB"),
    "weights_memory": ("memory", "weights_bytes", MIB, "MiB"),
}


def cost_figures(record: Record) -> dict[str, Figure]:
    """What was measured of parameters, FLOPs, latency, throughput, memory and text; nothing else is in it.

    `latency` and `text_ms` are medians in ms, `throughput` images a second at batch 1 (derived).
    """
    found = {name: _counted(record, *spec) for name, spec in COUNTED.items()}
    found |= {"latency": latency_figure(record), "throughput": throughput_figure(record)}
    return {name: figure for name, figure in found.items() if figure is not None}


def _counted(record: Record, part: str, key: str, unit: float, symbol: str) -> Figure | None:
    values: dict[str, Any] = record.cost.get(part) or {}
    if values.get(key) is None:
        return None
    return Figure(values[key] / unit, math.nan, math.nan, symbol)
