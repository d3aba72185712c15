"""Who is best and second in a column: only among comparable rows, never with random weights, never a lone row."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from benchbed.report.figure_names import FIGURES, PERCENT, FigureName
from benchbed.report.rows import Row
from benchbed.report.table import Rank, shown_value

Competitor = tuple[float, str, str]  # value, as a table shows it, key of the row
_PLACES: Final[tuple[Rank, Rank]] = ("best", "second")


def ranks(rows: Iterable[Row], name: str, rule: str | None = None) -> dict[str, Rank]:
    """`Row.key` -> best or second, for the figure `name`; rows that are neither are left out.

    Rows compete within their group alone (dataset as used and protocol; of times and memory also the machine).
    Values that a table shows alike share a rank.
    """
    spec = FIGURES[name]
    if spec.better == "neither":
        return {}
    groups: dict[tuple[str, ...], list[Competitor]] = {}
    for row in rows:
        figure = row.figure(name, rule) if _competes(row, spec) else None
        if figure is not None and math.isfinite(figure.value):
            group = row.speed_group if spec.speed else row.group
            groups.setdefault(group, []).append(
                (figure.value, shown_value(figure.value, spec.digits), row.key)
            )
    found: dict[str, Rank] = {}
    for competitors in groups.values():
        if len(competitors) > 1:
            found |= _first_two(sorted(competitors, reverse=spec.better == "higher"))
    return found


def _competes(row: Row, spec: FigureName) -> bool:
    return row.ranked if spec.unit == PERCENT else row.kind == "measured"


def _first_two(ordered: list[Competitor]) -> dict[str, Rank]:
    shown = list(dict.fromkeys(text for _, text, _ in ordered))
    if len(shown) == 1:  # all alike: nobody is better
        return {}
    places = dict(zip(shown, _PLACES, strict=False))
    return {key: places[text] for _, text, key in ordered if text in places}
