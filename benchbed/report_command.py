"""`benchbed report`: records of any machines and people -> tables, plots, gallery and a page. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, UsageError
from benchbed.progress import Reporter
from benchbed.record_store import DEFAULT_FOLDER
from benchbed.registry import unknown
from benchbed.report.content import Report, make_report
from benchbed.report.formats import FORMATS
from benchbed.report.presets import PRESETS
from benchbed.report.table import Table
from benchbed.report.writing import PAGE, PARTS, WHOLE, write_report

# What goes to stdout if nothing is said; IoU of every class fills screens.
PRINTED = tuple(name for name in PRESETS if name != "classes")


@dataclass(frozen=True)
class ReportFlags:
    """The flags of `benchbed report`; empty tuples stand for their defaults.

    Attributes:
        sources: files and folders with records; default: `benchbed-results`.
        to: folder to write to, None for stdout.
        tables: names of presets; default: all (on stdout all but `classes`).
        formats: names of `PARTS`; default: `WHOLE` into a folder, `console` on stdout.
        check: compare with what `to` holds, and write nothing.
    """

    sources: tuple[Path, ...]
    to: Path | None
    tables: tuple[str, ...]
    formats: tuple[str, ...]
    check: bool


def report_command(flags: ReportFlags) -> int:
    """Do what the flags say; returns the exit code: 4 where files were skipped or a check failed.

    Raises:
        UsageError: unknown names, a source that does not exist, flags that do not go together.
        MissingError: no record in any source.
        StoreError: the folder cannot be written.
    """
    _check_names("--table", flags.tables, PRESETS)
    _check_names("--format", flags.formats, dict.fromkeys(PARTS))
    _check_flags(flags)
    reporter = Reporter()
    report = make_report(flags.sources or (Path(DEFAULT_FOLDER),), _tables(flags), reporter)
    for problem in report.problems:
        reporter.note(f"benchbed: {problem}")
    if flags.check and flags.to is not None:
        return _check(report, flags.to, reporter)
    if flags.to is None:
        _print(report, flags.formats)
    else:
        written = write_report(report, flags.to, flags.formats or WHOLE, reporter)
        page = f"; open {flags.to / PAGE}" if flags.to / PAGE in written else ""
        reporter.note(f"{len(written)} files of {len(report.rows)} records in {flags.to}{page}")
    return EXIT_PARTIAL if report.skipped else EXIT_DONE


def _tables(flags: ReportFlags) -> tuple[str, ...]:
    return flags.tables or (PRINTED if flags.to is None else tuple(PRESETS))


def _check_names(flag: str, names: Sequence[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            kind = flag.removeprefix("--")
            raise UsageError(f"{flag}: {unknown(kind, name, known).replace(f' (benchbed list {kind}s)', '')}")


def _check_flags(flags: ReportFlags) -> None:
    files = [name for name in flags.formats if name not in FORMATS]
    if flags.to is None and files:
        raise UsageError(f"--format {files[0]} makes files; say where with --to DIR")
    if flags.check and (flags.to is None or flags.tables or flags.formats):
        raise UsageError(
            "--check compares a whole report; give --to DIR, the folder that holds it, without --table or --format"
        )
    if flags.to is not None and flags.to.exists() and not flags.to.is_dir():
        raise UsageError(f"--to {flags.to}: a file; expected a folder, or a name that is not taken")


def _print(report: Report, formats: Sequence[str]) -> None:
    tables = [table for each in report.tables.values() for table in each]
    for name in formats or ("console",):
        if name == "console":
            _print_console(tables)
        else:
            sys.stdout.write("\n".join(FORMATS[name].write(table) for table in tables))


def _print_console(tables: Iterable[Table]) -> None:
    from benchbed.report.console import print_tables

    print_tables(tables)


def _check(report: Report, folder: Path, reporter: Reporter) -> int:
    from benchbed.report.checking import differences

    found = differences(report, folder)
    for sentence in found:
        reporter.note(f"benchbed: {sentence}")
    if found:
        sources = " ".join(f"--from {path}" for path in report.sources)
        reporter.note(f"benchbed: {folder} is out of date; run: benchbed report {sources} --to {folder}")
    return EXIT_PARTIAL if found or report.skipped else EXIT_DONE
