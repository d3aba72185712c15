"""Published numbers as rows: those of one method, training and backbone on one dataset stand in one row."""

from __future__ import annotations

import math
from collections.abc import Iterable

from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure
from benchbed.report.published import ALSO, Published
from benchbed.report.rows import Caveat, Provenance, Row, under

Key = tuple[str, ...]


def published_rows(entries: Iterable[Published], setting: str) -> tuple[Row, ...]:
    """Rows of kind `published`, in the order of the files, one for each method, year, training set, backbone and dataset.

    Args:
        entries: from `benchbed.report.published.published`.
        setting: only entries of this one.
    """
    kept: dict[Key, list[Published]] = {}
    for entry in entries:
        if entry.setting == setting and entry.metric in FIGURES:
            kept.setdefault(_key(entry), []).append(entry)
    return tuple(_row(group) for group in kept.values())


def _key(entry: Published) -> Key:
    return entry.method, entry.year, entry.train_set, entry.backbone, entry.clip, entry.dataset


def _row(group: list[Published]) -> Row:
    first = group[0]
    source = "; ".join(dict.fromkeys(each for entry in group for each in entry.source.split(ALSO)))
    return Row(
        label=first.method,
        kind="published",
        dataset=first.dataset,
        weights=f"trained on {first.train_set}" if first.train_set else "training not said",
        provenance=Provenance(dataset=first.dataset, weights=_what(first), source=source),
        caveats=(Caveat(f"published: {source}"),),
        given={under(entry.metric, entry.rule): _figure(entry) for entry in group},
    )


def _what(entry: Published) -> str:
    parts = (entry.train_set, entry.backbone, f"CLIP {entry.clip}" if entry.clip else "")
    return ", ".join(part for part in parts if part)


def _figure(entry: Published) -> Figure:
    return Figure(entry.value, math.nan, math.nan, FIGURES[entry.metric].unit, "published")
