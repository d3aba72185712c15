"""Records: whole or not at all, immutable, readable by a later version's refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from example_record import example_record

from benchbed.errors import StoreError, UsageError
from benchbed.record_store import RecordStore, read_record, write_whole
from benchbed.records import SCHEMA, from_json, to_json


def test_a_record_survives_json_to_the_last_bit() -> None:
    record = example_record()
    back = from_json(to_json(record), "r.json")
    assert back == record
    assert back.id == record.id
    assert back.counts == record.counts


def test_a_record_without_counts_or_cost_is_a_record() -> None:
    record = example_record(counts=None, cost={})
    assert from_json(to_json(record), "r.json") == record


def test_the_id_follows_the_content() -> None:
    assert example_record().id == example_record().id
    assert example_record().id != example_record(seed=1).id


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-200], "not whole JSON"),
        (lambda text: "[]", "not a benchbed record"),
        (lambda text: json.dumps({"kind": "something"}), "not a benchbed record"),
        (lambda text: text.replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}'), "update benchbed"),
        (lambda text: text.replace('"threads": 2', '"threads": 8'), "edited after it was written"),
        (lambda text: text.replace('"zlib_base64": "eN', '"zlib_base64": "AA', 1), "damaged"),
        (lambda text: text.replace('"label"', '"lable"'), "damaged"),
    ],
)
def test_torn_foreign_newer_and_altered_files_are_named(tmp_path: Path, change: object, says: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(change(to_json(example_record())))  # type: ignore[operator]
    with pytest.raises(StoreError, match=says) as caught:
        read_record(path)
    assert "r.json" in str(caught.value)


def test_the_store_writes_reads_and_skips_what_is_torn(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.prepare()
    record = example_record()
    path = store.write(record)
    (path.parent / "torn.json").write_text("{")
    records, skipped = store.read_all()
    assert records == [record]
    assert len(skipped) == 1
    assert "torn.json" in skipped[0]
    assert not list(path.parent.glob(".*"))


def test_a_record_is_found_by_path_id_and_start_of_id(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    path = store.write(example_record())
    record_id = example_record().id
    assert store.find(str(path)) == store.find(record_id) == store.find(record_id[:5]) == path
    with pytest.raises(UsageError, match=record_id):
        store.find("zzz")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_room)
    with pytest.raises(StoreError, match=r"No space left on device.*--out"):
        RecordStore(tmp_path).write(example_record())
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_an_unwritable_folder_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--out"):
        RecordStore(tmp_path / "file").prepare()


def test_records_are_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_whole(tmp_path / "record", b"x")
    assert (tmp_path / "record").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_whole_files_replace_whole_files(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"one")
    write_whole(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"


def test_nan_never_enters_a_record() -> None:
    record = replace(example_record(), cost={"params": {"total": float("nan")}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(record)


def test_records_and_reports_need_no_torch() -> None:
    code = (
        "import sys, benchbed.records, benchbed.record_store, benchbed.report.run_tables, benchbed.report.record_page,"
        " benchbed.report.console, benchbed.list_command, benchbed.show_command; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
