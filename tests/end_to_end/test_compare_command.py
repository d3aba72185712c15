"""`benchbed compare` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import Answer, here
from example_record import example_record

from benchbed.record_store import RecordStore


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    found = RecordStore(tmp_path)
    for label in ("san/vit-b16", "deop/tiny", "lseg/tiny"):
        found.write(example_record(label))
    return found


def compare(store: RecordStore, capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    return here(capsys, "compare", *arguments, "--out", store.folder)


def test_table_and_json(store: RecordStore, capsys: pytest.CaptureFixture[str]) -> None:
    shown = compare(store, capsys, "san", "deop/tiny", "lseg")
    assert shown.code == 0
    assert "san/vit-b16 - deop/tiny" in shown.out
    assert "Holm-corrected over 3 pairs" in shown.out
    content = json.loads(compare(store, capsys, "san", "deop", "--json").out)
    (pair,) = content["comparisons"]
    assert pair["differences"]["hiou"]["points"] == 0  # the same counts
    assert pair["differences"]["hiou"]["p"] == 1


def test_mistakes_are_one_line_and_a_code(store: RecordStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(store, capsys, "san").code == 2
    assert compare(store, capsys, "san", "deop", "--images", "-1").code == 2
    assert compare(store, capsys, "san", "nothing").code == 2
    path = store.path_of(example_record("deop/tiny"))
    path.write_text(path.read_text().replace('"images": 6', '"images": 7'))
    edited = compare(store, capsys, "san", path)
    assert edited.code == 4
    assert "was edited after it was written" in edited.err
    newer = path.read_text().replace('"schema": 1', '"schema": 99')
    path.write_text(newer)
    answer = compare(store, capsys, "san", path)
    assert answer.code == 4
    assert "record schema 99" in answer.err
    assert "Traceback" not in edited.err + answer.err


def test_it_needs_no_torch(store: RecordStore) -> None:
    arguments = ["compare", "san", "deop", "--out", str(store.folder)]
    code = f"import sys; from benchbed.cli import run_cli; run_cli({arguments!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
