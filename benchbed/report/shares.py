"""What each method found in one photo, as a table and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchbed.report.legend import percent
from benchbed.report.overlay import Panel, Strip
from benchbed.report.table import Cell, Table, absent, text, unique

MOST: Final = 20  # rows


def share_table(strip: Strip, names: Sequence[str]) -> Table:
    """Shares of the photo's pixels, one column a method; classes that no method found are left out.

    Classes beyond the 20 largest are told in a note.
    """
    counts = np.stack([panel.counts for panel in strip.panels])
    order = [int(k) for k in np.argsort(-counts.max(0), kind="stable") if counts[:, k].any()]
    rows = tuple((text(names[k]), *(_share(column, k) for column in counts)) for k in order[:MOST])
    notes = [f"{len(order) - MOST:,} more classes occur; --json has all"] if len(order) > MOST else []
    for note in unique([panel.note for panel in strip.panels if panel.warning]):
        notes.append(f"{', '.join(panel.title for panel in strip.panels if panel.note == note)}: {note}")
    columns = ("class", *(panel.title for panel in strip.panels))
    return Table(f"{strip.title}: share of its pixels", columns, rows, tuple(notes))


def _share(counts: NDArray[np.int64], k: int) -> Cell:
    return Cell(percent(counts[k] / counts.sum()), "measured") if counts[k] else absent()


def shares_as_json(
    photos: Sequence[str], strips: Sequence[Strip], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Pixels of every class that occurs, by photo and method; `photos` are the files as they were given."""
    return [
        {"photo": photo, "methods": {panel.title: _found(panel, names) for panel in strip.panels}}
        for photo, strip in zip(photos, strips, strict=True)
    ]


def _found(panel: Panel, names: Sequence[str]) -> dict[str, Any]:
    pixels = {name: int(count) for name, count in zip(names, panel.counts, strict=True) if count}
    return {"note": panel.note, "pixels": pixels}
