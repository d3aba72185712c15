"""A report as files: tables in every format, plots, gallery, page, and a list of them that a later check goes by.

index.html            the page
tables/zs3.md ...     each table in each format; tables.tex holds all of them, to compile alone
plots/  gallery/      pictures
contents.txt          the records it was made of and every file with its digest
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchbed.errors import StoreError
from benchbed.progress import Reporter
from benchbed.report.content import Report
from benchbed.report.formats import FORMATS
from benchbed.report.formats.latex import latex_document
from benchbed.report.table import Table

CONTENTS: Final = "contents.txt"
PAGE: Final = "index.html"
PICTURES: Final = ("plots", "gallery")
PARTS: Final = (*FORMATS, *PICTURES, "page")
WHOLE: Final = tuple(part for part in PARTS if part != "console")  # what a terminal shows needs no file
_HEAD: Final = "# Written by benchbed report; edit nothing here by hand."


def write_report(
    report: Report, folder: Path, parts: Sequence[str] = WHOLE, reporter: Reporter | None = None
) -> list[Path]:
    """Write the named parts; with all of `WHOLE` also `contents.txt`, and files of an earlier report that are no more go.

    Args:
        report: what was read.
        folder: made where it is not.
        parts: of `PARTS`.
        reporter: where progress is told; None for nowhere.

    Returns:
        what was written, in order.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        earlier = listed(folder)
        telling = reporter or Reporter(quiet=True)
        written = [path for part in parts for path in _part(report, folder, part, telling)]
        if set(parts) >= set(WHOLE):
            _write(folder / CONTENTS, contents(report, folder, written))
            for path in earlier.keys() - {path.relative_to(folder).as_posix() for path in written}:
                (folder / path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"--to {folder}: cannot be written ({error.strerror or error}); free room or give another folder"
        ) from error
    return written


def _part(report: Report, folder: Path, part: str, reporter: Reporter) -> Iterator[Path]:
    if part in FORMATS:
        for name, text in table_files(report, part).items():
            yield _write(folder / name, text)
    elif part == "page":
        from benchbed.report.page import page_html

        yield _write(folder / PAGE, page_html(report))
    else:
        (folder / part).mkdir(parents=True, exist_ok=True)
        yield from sorted(_pictures(part)(report, folder / part, reporter))


def _pictures(part: str) -> Callable[[Report, Path, Reporter], list[Path]]:
    if part == "plots":
        from benchbed.report.plots import write_plots

        return write_plots
    from benchbed.report.gallery_files import write_gallery

    return write_gallery


def table_files(report: Report, name: str) -> dict[str, str]:
    """The files of one format, below the report's folder, and what they hold."""
    chosen = FORMATS[name]
    tables = [table for each in report.tables.values() for table in each]
    files = {f"tables/{table.name}{chosen.suffix}": chosen.write(table) for table in tables}
    return (
        {**files, "tables/tables.tex": latex_document(_without_classes(tables))} if name == "latex" else files
    )


def _without_classes(tables: Sequence[Table]) -> list[Table]:
    """Tables of single classes go into a supplement, not among those of a paper."""
    return [table for table in tables if not table.name.startswith("classes")]


def _write(path: Path, text: str) -> Path:
    """Whole or not at all, but without waiting for the disk: what is lost in a power cut is written again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(text.encode())
    part.replace(path)
    return path


def contents(report: Report, folder: Path, files: Sequence[Path]) -> str:
    """`contents.txt`: one line a record, then one a file; nothing in it depends on time or machine."""
    return "\n".join(
        [_HEAD, "", *record_lines(report), "", *[_file_line(folder, path) for path in sorted(files)], ""]
    )


def record_lines(report: Report) -> list[str]:
    """One line a record, in the report's order."""
    return [
        f"record {row.key} {row.label} {row.dataset} {row.provenance.protocol} {row.provenance.fingerprint}"
        for row in report.rows
    ]


def _file_line(folder: Path, path: Path) -> str:
    return f"file {digest(path)} {path.relative_to(folder).as_posix()}"


def digest(path: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def listed(folder: Path) -> dict[str, str]:
    """Path -> digest of the files that `contents.txt` of a folder lists; nothing where there is none.

    Paths that lead out of the folder are left out: nobody's other files are touched because a list names them.
    """
    path = folder / CONTENTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    split = [line.split(" ", 2) for line in lines if line.startswith("file ")]
    found = {parts[2]: parts[1] for parts in split if len(parts) == 3}
    inside = folder.resolve()
    return {name: said for name, said in found.items() if (folder / name).resolve().is_relative_to(inside)}
