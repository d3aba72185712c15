"""Rows as the page's script wants them: cells with their text, numbers for sorting, notes by place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure, stage_medians
from benchbed.report.page.shared import Shared
from benchbed.report.ranking import ranks
from benchbed.report.rows import Row
from benchbed.report.table import number

_RANKS: Final = {"": 0, "best": 1, "second": 2}
Ranks = Mapping[str, Mapping[str, Any]]


def row_ranks(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Figure name -> row key -> best or second, among comparable rows alone."""
    return {name: dict(ranks(rows, name)) for name in FIGURES}


def row_data(row: Row, group: int, found: Ranks, notes: Shared, record: int | None) -> dict[str, Any]:
    """One row.

    Args:
        row: measured or published.
        group: place of its group on the page.
        found: from `row_ranks`.
        notes: collects the sentences of all rows.
        record: place of its record's provenance on the page, None for a published row.
    """
    return {
        "id": row.key,
        "label": row.label,
        "method": row.method,
        "family": row.family,
        "weights": _weights(row),
        "sort": _sort(row),
        "random": row.random,
        "ranked": row.ranked,
        "group": group,
        "record": record,
        "source": row.provenance.source,
        "notes": [notes.place(caveat.text) for caveat in row.caveats if caveat.text != row.weights],
        "cells": {
            name: cell(figure, name, found[name].get(row.key, ""))
            for name, figure in row.figures.items()
            if name in FIGURES and math.isfinite(figure.value)
        },
        "stages": [] if row.record is None else _stages(row),
    }


def _weights(row: Row) -> str:
    """Measured: what the weights are. Published: training set, backbone and CLIP, which tell rows of one name apart."""
    return row.weights if row.record is not None else row.provenance.weights or row.weights


def _sort(row: Row) -> str:
    if row.kind == "published":
        return "published"
    return "random" if row.random else "supervised" if row.supervised else "trained"


def _stages(row: Row) -> list[tuple[str, float]]:
    assert row.record is not None
    return [(name, _rounded(value) or 0.0) for name, value in stage_medians(row.record).items()]


def cell(figure: Figure, name: str, rank: str) -> list[Any]:
    """[text, interval, value, low, high, kind, rank]: the text as every other table of the report has it."""
    written = number(figure, FIGURES[name].digits)
    text, _, interval = written.text.partition(" [")
    return [
        text,
        f"[{interval}" if interval else "",
        *[_rounded(value) for value in (figure.value, figure.low, figure.high)],
        written.kind,
        _RANKS[rank],
    ]


def _rounded(value: float) -> float | None:
    """Six significant digits: for sorting and plots; None for what JSON does not have."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
