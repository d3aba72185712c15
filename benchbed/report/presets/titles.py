"""Words and orders that several presets share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchbed.report.rows import Row
from benchbed.report.table import unique

PUBLISHED_HEADING: Final = "published (†)"
# As papers order them; others follow by name, the embedded one last.
DATASETS: Final = (
    "voc",
    *[f"voc-zs3-{unseen}" for unseen in (2, 4, 6, 8, 10)],
    "voc-21",
    "coco-stuff",
    "pascal-context-59",
    "pascal-context-459",
    "ade20k-150",
    "ade20k-847",
)
SHORT: Final = {
    "voc": "VOC",
    "voc-21": "VOC-21",
    "coco-stuff": "COCO-Stuff",
    "pascal-context-59": "PC-59",
    "pascal-context-459": "PC-459",
    "ade20k-150": "ADE-150",
    "ade20k-847": "ADE-847",
}


def in_order(datasets: Iterable[str]) -> list[str]:
    """Names of datasets as papers order them."""
    return sorted(datasets, key=lambda name: (_place(name), name))


def _place(name: str) -> int:
    if name == "shapes":
        return len(DATASETS) + 1
    return DATASETS.index(name) if name in DATASETS else len(DATASETS)


def dataset_title(name: str, rows: Sequence[Row]) -> str:
    """What papers call it, and its split into seen and unseen classes where a record tells."""
    record = next((row.record for row in rows if row.record is not None), None)
    if record is None:
        return SHORT.get(name, name)
    seen = sum(bool(flag) for flag in record.dataset["seen"])
    return f"{SHORT.get(name, name)} ({seen}/{len(record.dataset['seen']) - seen})"


def rule_notes(rows: Iterable[Row]) -> tuple[str, ...]:
    """The rules that decide accuracy, as the records' datasets and protocols say them."""
    found = []
    for row in rows:
        if row.record is not None:
            protocol, dataset = row.record.protocol, row.record.dataset
            background = (
                ""
                if protocol["background"].startswith("no rule")
                else f"; background {protocol['background']}"
            )
            found.append(f"{row.dataset}: absent classes by rule {protocol['absent_rule']}{background}")
            if not dataset.get("embedded"):  # whose first note is a caveat of every row of it
                found += [f"{row.dataset}: {note}" for note in dataset["notes"][:1]]
    return unique(found)
