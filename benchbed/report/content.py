"""Everything a report is made of, read once and handed to tables, plots, gallery and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.errors import MissingError
from benchbed.progress import Reporter
from benchbed.report.collect import Collection, collect
from benchbed.report.cost_figures import cost_figures
from benchbed.report.figures import accuracy_figures, stage_medians
from benchbed.report.presets import PRESETS, make_tables
from benchbed.report.published import Published, published
from benchbed.report.rows import Row, rows
from benchbed.report.table import Table

if TYPE_CHECKING:
    from benchbed.claims.evidence import Evidence
    from benchbed.claims.outcome import Verdict


@dataclass(frozen=True)
class Report:
    """What was read and what was made of it.

    Attributes:
        sources: the files and folders of `--from`, as given; a store among them may keep predictions.
        collection: records with their files, what was skipped, contradictions.
        rows: one a record.
        published: numbers of papers.
        tables: preset name -> its tables, in the order of `PRESETS`.
        evidence: the records with the cost records and trials beside them.
    """

    sources: tuple[Path, ...]
    collection: Collection
    rows: tuple[Row, ...]
    published: tuple[Published, ...]
    tables: Mapping[str, tuple[Table, ...]]
    evidence: Evidence

    @property
    def problems(self) -> tuple[str, ...]:
        """What a reader must be told before anything else: contradictions, then files that were skipped."""
        return (*[each.text for each in self.collection.contradictions], *self.skipped)

    @property
    def skipped(self) -> tuple[str, ...]:
        """A sentence for each file that is no whole record, cost record or trial."""
        return (*self.collection.skipped, *self.evidence.skipped)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every known claim, judged by the evidence.

        Raises:
            UsageError: a claim file of a plug-in is not what it should be.
        """
        from benchbed.report.beside import verdicts_of

        return verdicts_of(self.evidence)


def make_report(
    sources: Sequence[Path], presets: Sequence[str] = tuple(PRESETS), reporter: Reporter | None = None
) -> Report:
    """Read records and make tables of them.

    Args:
        sources: files and folders.
        presets: which tables.
        reporter: where progress is told; None for nowhere.

    Raises:
        UsageError: a source does not exist.
        MissingError: there is not one whole record in any of them, and no cost record either.
    """
    from benchbed.report.beside import evidence_of  # reads with this package: imported when that is whole

    reporter = reporter or Reporter(quiet=True)
    collection = _with_figures(collect(sources, reporter), reporter)
    evidence = evidence_of(sources, collection.records)
    if not collection.entries and not evidence.costs:
        raise MissingError(_nothing(sources, collection))
    measured = rows(collection)
    quoted = published()
    tables = {name: make_tables(name, measured, quoted) for name in presets}
    return Report(tuple(sources), collection, measured, quoted, tables, evidence)


def _with_figures(collection: Collection, reporter: Reporter) -> Collection:
    """The collection without records of which no figures can be made; those of the others are bootstrapped here and kept."""
    entries, skipped = [], list(collection.skipped)
    for entry in reporter.each("intervals", collection.entries):
        try:
            accuracy_figures(entry.record)
            cost_figures(entry.record)
            stage_medians(entry.record)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            skipped.append(
                f"{entry.file}: no figures can be made of it ({reason}); delete it and measure again"
            )
        else:
            entries.append(entry)
    return replace(collection, entries=tuple(entries), skipped=tuple(skipped))


def _nothing(sources: Sequence[Path], collection: Collection) -> str:
    where, skipped = ", ".join(map(str, sources)), collection.skipped
    noun = "file is no whole record" if len(skipped) == 1 else "files are no whole records"
    damaged = f" ({len(skipped)} {noun}: {skipped[0]})" if skipped else ""
    return (
        f"--from {where}: no records{damaged}; expected what benchbed run writes below its --out folder: run it first, or "
        "name that folder"
    )
