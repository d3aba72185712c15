"""Is a written report what its records say today? Tables must agree to the byte; pictures, which vary with fonts and
libraries, must be there as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchbed.report.content import Report
from benchbed.report.formats import FORMATS
from benchbed.report.writing import CONTENTS, WHOLE, digest, listed, record_lines, table_files


def differences(report: Report, folder: Path) -> list[str]:
    """One sentence for each thing that is not as it should be; empty for a report that is up to date."""
    if not (folder / CONTENTS).is_file():
        return [f"{folder / CONTENTS} is missing"]
    return [*_records(report, folder), *_tables(report, folder), *_files(folder)]


def _records(report: Report, folder: Path) -> Iterator[str]:
    lines = (folder / CONTENTS).read_text(encoding="utf-8").splitlines()
    written = {line for line in lines if line.startswith("record ")}
    now = set(record_lines(report))
    for line in sorted(now - written):
        yield f"{line} is not in the report"
    for line in sorted(written - now):
        yield f"{line} is in the report, but not among the records"


def _tables(report: Report, folder: Path) -> Iterator[str]:
    for name in (name for name in FORMATS if name in WHOLE):
        for path, text in table_files(report, name).items():
            file = folder / path
            if not file.is_file():
                yield f"{file} is missing"
            elif file.read_bytes() != text.encode():
                yield f"{file} is not what its records say"


def _files(folder: Path) -> Iterator[str]:
    names = listed(folder)
    for name, said in names.items():
        if not (folder / name).is_file():
            yield f"{folder / name} is missing"
        elif digest(folder / name) != said:
            yield f"{folder / name} was changed after it was written"
    for part in ("tables", "plots", "gallery"):
        for path in sorted((folder / part).rglob("*")):
            if path.is_file() and path.relative_to(folder).as_posix() not in names:
                yield f"{path} was not written by benchbed report"
