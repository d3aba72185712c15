"""Everything a report is made of, read once and handed to tables, plots, gallery and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbed.errors import MissingError
from benchbed.report.collect import Collection, collect
from benchbed.report.presets import PRESETS, make_tables
from benchbed.report.published import Published, published
from benchbed.report.rows import Row, rows
from benchbed.report.table import Table


@dataclass(frozen=True)
class Report:
    """What was read and what was made of it.

    Attributes:
        sources: the files and folders of `--from`, as given; a store among them may keep predictions.
        collection: records with their files, what was skipped, contradictions.
        rows: one a record.
        published: numbers of papers.
        tables: preset name -> its tables, in the order of `PRESETS`.
    """

    sources: tuple[Path, ...]
    collection: Collection
    rows: tuple[Row, ...]
    published: tuple[Published, ...]
    tables: Mapping[str, tuple[Table, ...]]

    @property
    def problems(self) -> tuple[str, ...]:
        """What a reader must be told before anything else: contradictions, then files that were skipped."""
        return (*[each.text for each in self.collection.contradictions], *self.collection.skipped)


def make_report(sources: Sequence[Path], presets: Sequence[str] = tuple(PRESETS)) -> Report:
    """Read records and make tables of them.

    Raises:
        UsageError: a source does not exist.
        MissingError: there is not one whole record in any of them.
    """
    collection = collect(sources)
    if not collection.entries:
        raise MissingError(_nothing(sources, collection))
    measured = rows(collection)
    quoted = published()
    tables = {name: make_tables(name, measured, quoted) for name in presets}
    return Report(tuple(sources), collection, measured, quoted, tables)


def _nothing(sources: Sequence[Path], collection: Collection) -> str:
    where, skipped = ", ".join(map(str, sources)), collection.skipped
    noun = "file is no whole record" if len(skipped) == 1 else "files are no whole records"
    damaged = f" ({len(skipped)} {noun}: {skipped[0]})" if skipped else ""
    return (
        f"--from {where}: no records{damaged}; expected what benchbed run writes below its --out folder: run it first, or "
        "name that folder"
    )
