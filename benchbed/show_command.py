"""`benchbed show NAME`: one record, or one method's card, in full. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

from benchbed import registry
from benchbed.record_store import RecordStore, read_record
from benchbed.registry import METHOD_GROUP
from benchbed.report.summary import summary


def show_command(name: str, out: Path, as_json: bool) -> None:
    """Print a record or a method to stdout.

    Args:
        name: a method, `method/variant`, or a record's path, id or start of an id.
        out: the folder of records.
        as_json: plain data in place of tables.

    Raises:
        UsageError: no such method, variant or record.
        StoreError: the file is torn, foreign or altered.
    """
    if not Path(name).is_file() and name.partition("/")[0] in registry.names(METHOD_GROUP):
        _show_method(name, as_json)
    else:
        _show_record(name, out, as_json)


def _show_method(name: str, as_json: bool) -> None:
    from benchbed.report.method_page import method_dict, method_tables

    chosen = registry.choose(name)
    variants = (chosen.variant,) if "/" in name else chosen.method.variants
    if as_json:
        print(json.dumps(method_dict(chosen, variants), indent=1, ensure_ascii=False))
        return
    from benchbed.report.console import print_tables

    print_tables(method_tables(chosen, variants))


def _show_record(name: str, out: Path, as_json: bool) -> None:
    path = RecordStore(out).find(name)
    record = read_record(path)
    if as_json:
        print(json.dumps({"path": str(path), **summary(record, full=True)}, indent=1, ensure_ascii=False))
        return
    from benchbed.report.console import print_tables
    from benchbed.report.record_page import record_tables

    print_tables(record_tables(record, str(path)))
