"""`benchbed show RECORD`: one record in full. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

from benchbed.record_store import RecordStore, read_record
from benchbed.report.summary import summary


def show_command(name: str, out: Path, as_json: bool) -> None:
    """Print a record to stdout.

    Raises:
        UsageError: no such record.
        StoreError: the file is torn, foreign or altered.
    """
    path = RecordStore(out).find(name)
    record = read_record(path)
    if as_json:
        print(json.dumps({"path": str(path), **summary(record, full=True)}, indent=1, ensure_ascii=False))
        return
    from benchbed.report.console import print_tables
    from benchbed.report.record_page import record_tables

    print_tables(record_tables(record, str(path)))
