"""`benchbed compare A B [C...]`: records -> paired differences. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

from benchbed.compare import compare
from benchbed.errors import EXIT_DONE, UsageError
from benchbed.progress import Reporter
from benchbed.record_choice import choose_records
from benchbed.record_store import RecordStore
from benchbed.report.compare_tables import compare_dict, compare_tables


def compare_command(
    names: tuple[str, ...], out: Path, dataset: str | None, protocol: str | None, images: int, as_json: bool
) -> int:
    """Print the paired differences of the records named; returns the exit code.

    Raises:
        UsageError: fewer than two names, names that fit nothing, or records that are not comparable.
        StoreError: a record that was named is torn, edited, foreign or of a newer schema.
    """
    if len(names) < 2:
        raise UsageError(f"{names[0]!r} alone: name two or more records or methods, e.g. san deop")
    if images < 0:
        raise UsageError(f"--images {images}: expected the number of images to show, 0 or more")
    choice = choose_records(names, RecordStore(out), dataset, protocol)
    reporter = Reporter()
    for note in choice.notes:
        reporter.note(note)
    found = compare(choice.records)
    if as_json:
        print(json.dumps(compare_dict(found, images), indent=1, ensure_ascii=False))
        return EXIT_DONE
    from benchbed.report.console import print_tables

    print_tables(compare_tables(found, images))
    return EXIT_DONE
