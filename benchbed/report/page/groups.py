"""Groups of rows that may stand beside each other: same dataset, same images, same protocol; published ones by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchbed.compare import incomparable
from benchbed.report.page.shared import Shared
from benchbed.report.palette import palette
from benchbed.report.rows import Row

MOST_APART: Final = 4  # sentences below one heading that say why other groups stand elsewhere
SETTINGS: Final = {
    "zs3": "published, seen and unseen apart",
    "all classes": "published, mIoU of all classes",
}


@dataclass
class Group:
    """Rows under one heading.

    Attributes:
        dataset: name.
        coverage: "20 of 400 images", or what the published numbers are.
        rows: in order.
    """

    dataset: str
    coverage: str
    rows: list[Row] = field(default_factory=list)

    @property
    def measured(self) -> bool:
        """Whether its rows have records."""
        return bool(self.rows) and self.rows[0].record is not None


def measured_groups(rows: Sequence[Row]) -> list[Group]:
    """Measured rows by `Row.group`, in order of first mention."""
    found: dict[tuple[str, ...], Group] = {}
    for row in rows:
        group = found.setdefault(row.group, Group(row.dataset, row.provenance.coverage))
        group.rows.append(row)
    return list(found.values())


def published_groups(by_setting: Mapping[str, Sequence[Row]]) -> list[Group]:
    """Published rows by dataset and setting; rows without a figure that the page shows are left out."""
    found: dict[tuple[str, str], Group] = {}
    for setting, rows in by_setting.items():
        for row in rows:
            if row.figures:
                key = (row.dataset, setting)
                found.setdefault(key, Group(row.dataset, SETTINGS[setting])).rows.append(row)
    return list(found.values())


def ordered(measured: Sequence[Group], published: Sequence[Group]) -> list[Group]:
    """Measured groups, the largest of a dataset first, its published ones last; datasets that nobody measured come last."""
    datasets = list(dict.fromkeys(group.dataset for group in (*measured, *published)))

    def key(group: Group) -> tuple[int, bool, int]:
        return datasets.index(group.dataset), not group.measured, -len(group.rows) if group.measured else 0

    return sorted([*measured, *published], key=key)


def group_data(group: Group, others: Sequence[Group], vocabularies: Shared) -> dict[str, Any]:
    """A group as the page's script wants it.

    Args:
        group: any.
        others: all groups of the page.
        vocabularies: collects class lists.
    """
    said = {"dataset": group.dataset, "coverage": group.coverage}
    record = group.rows[0].record
    if record is None:
        return {**said, "protocol": "", "fingerprint": "", "apart": [], "vocabulary": None}
    names = [str(name) for name in record.dataset["names"]]
    vocabulary = {
        "names": names,
        "seen": [int(bool(seen)) for seen in record.dataset["seen"]],
        "colours": palette(len(names)).tolist(),
    }
    return {
        **said,
        "protocol": str(record.protocol["name"]),
        "fingerprint": str(record.protocol["fingerprint"]),
        "apart": _apart(group, others),
        "vocabulary": vocabularies.place(vocabulary),
    }


def _apart(group: Group, others: Sequence[Group]) -> list[str]:
    """Which fields part this group from the others of its dataset."""
    own = group.rows[0].record
    assert own is not None
    found = []
    for other in others:
        there = other.rows[0].record
        if other is not group and there is not None and other.dataset == group.dataset:
            what = f"protocol {there.protocol['name']} {there.protocol['fingerprint']}, {other.coverage}"
            found.append(f"not ranked with {what}: {incomparable(own, there)}")
    more = len(found) - MOST_APART
    return [*found[:MOST_APART], *([f"nor with {more} more groups of this dataset"] if more > 0 else [])]
