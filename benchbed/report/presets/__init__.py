"""The tables that `benchbed report --table NAME` knows; each module makes one of them from rows alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from benchbed.report.presets.classes import class_tables
from benchbed.report.presets.efficiency import efficiency_tables
from benchbed.report.presets.open_vocab import open_vocab_tables
from benchbed.report.presets.parity import parity_tables
from benchbed.report.presets.seeds import seeds_tables
from benchbed.report.presets.zs3 import zs3_tables
from benchbed.report.published import Published
from benchbed.report.rows import Row
from benchbed.report.table import Table

Maker = Callable[[Sequence[Row], Sequence[Published]], tuple[Table, ...]]

PRESETS: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "zs3": zs3_tables,
        "open-vocab": open_vocab_tables,
        "efficiency": efficiency_tables,
        "parity": parity_tables,
        "seeds": seeds_tables,
        "classes": class_tables,
    }
)


def make_tables(name: str, rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """The tables of one preset; none where no row has what it shows.

    Raises:
        KeyError: there is no preset of this name.
    """
    return PRESETS[name](rows, published)
