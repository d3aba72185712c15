"""All that the page's script reads, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchbed.report.content import Report
from benchbed.report.gallery import Gallery
from benchbed.report.page.claim_lines import ClaimLines
from benchbed.report.page.columns import VIEWS, columns
from benchbed.report.page.groups import (
    SETTINGS,
    Group,
    group_data,
    measured_groups,
    ordered,
    published_groups,
)
from benchbed.report.page.pairs import COMPARED, candidates, class_ious, image_ious, pairs, rows_for_pairs
from benchbed.report.page.provenance import record_data
from benchbed.report.page.row_data import row_data, row_ranks
from benchbed.report.page.scenes import scene_data
from benchbed.report.page.shared import Shared
from benchbed.report.page.style_of import method_styles, stage_styles
from benchbed.report.published_rows import published_rows


def page_data(
    report: Report, shown: Sequence[Gallery] = (), claims: ClaimLines | None = None
) -> dict[str, Any]:
    """Plain data of the whole page.

    Args:
        report: what was read.
        shown: galleries, one a group.
        claims: with their verdicts; None for none.
    """
    quoted = {setting: published_rows(report.published, setting) for setting in SETTINGS}
    groups = ordered(measured_groups(report.rows), published_groups(quoted))
    data = _tables(groups)
    _add_pairs(data, groups)
    places = {row["id"]: place for place, row in enumerate(data["rows"])}
    numbers = {group.rows[0].group: place for place, group in enumerate(groups)}
    data["scenes"] = [
        scene_data(image, numbers[gallery.group], places)
        for gallery in shown
        for image in gallery.images
        if gallery.group in numbers
    ]
    data["claims"] = list(claims.lines) if claims else []
    return data


def _tables(groups: Sequence[Group]) -> dict[str, Any]:
    """Groups, rows, and what they share."""
    rows = [row for group in groups for row in group.rows]
    found, notes, machines, protocols, vocabularies = row_ranks(rows), Shared(), Shared(), Shared(), Shared()
    records: list[dict[str, Any]] = []
    lines = []
    for place, group in enumerate(groups):
        for row in group.rows:
            number = None
            if row.record is not None:
                number = len(records)
                records.append(record_data(row, machines, protocols))
            lines.append(row_data(row, place, found, notes, number))
    stages = {name for line in lines for name, _ in line["stages"]}
    return {
        "columns": columns(),
        "views": [[key, label] for key, label, _ in VIEWS],
        "compared": list(COMPARED),
        "groups": [group_data(group, groups, vocabularies) for group in groups],
        "rows": lines,
        "records": records,
        "notes": notes.items,
        "machines": machines.items,
        "protocols": protocols.items,
        "vocabularies": vocabularies.items,
        "styles": method_styles(rows),
        "stages": stage_styles(sorted(stages)),
    }


def _add_pairs(data: dict[str, Any], groups: Sequence[Group]) -> None:
    """Paired differences, IoU of images and of classes, for the rows that can be compared."""
    data["pairs"], data["images"] = {}, []
    most = rows_for_pairs([len(group.rows) for group in groups if group.measured])
    start = 0
    for group, line in zip(groups, data["groups"], strict=True):
        numbered = list(enumerate(group.rows, start))
        start += len(group.rows)
        comparable = candidates(numbered, most) if group.measured else []
        data["pairs"] |= pairs(comparable)
        ids, ious = image_ious(comparable)
        line["images"] = len(data["images"])
        data["images"].append(ids)
        for place, values in ious.items():
            data["rows"][place]["images"] = values
        for each in comparable:
            data["rows"][each.place]["classes"] = class_ious(each)
