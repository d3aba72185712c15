"""Colours and markers of methods and stages on the page: those of every plot of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from benchbed.report.palette import palette
from benchbed.report.plots.looks import look_of
from benchbed.report.plots.stages import COLOURS
from benchbed.report.rows import Row
from benchbed.stages import UNACCOUNTED

UNCLAIMED: Final = "#9a9a9a"


def method_styles(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Method -> colour "#rrggbb" and matplotlib's marker."""
    measured = {row.method: row for row in rows if row.record is not None}
    return {name: asdict(look_of(name, row.family, row.colour)) for name, row in sorted(measured.items())}


def stage_styles(used: Sequence[str]) -> list[dict[str, str]]:
    """Name and colour of each stage that any row has: in the order of a forward pass, then others, `unaccounted` last."""
    others = sorted(set(used) - {*COLOURS, UNACCOUNTED})
    further = [f"#{bytes(colour).hex()}" for colour in palette(len(others))]
    colours = {**COLOURS, **dict(zip(others, further, strict=True)), UNACCOUNTED: UNCLAIMED}
    return [{"name": name, "colour": colour} for name, colour in colours.items() if name in used]
