"""`--help`, `list`, `show`: at once, without torch, and right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import apart, command, here
from example_record import example_record
from machine_pace import pace, spent_by

from benchbed.record_store import RecordStore

LIGHT = [["--help"], ["run", "--help"], ["list", "methods"], ["list", "datasets"], ["list", "protocols"]]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_answer_in_half_a_second(arguments: list[str]) -> None:
    """Of processor time, on a quiet machine; there 0.06 to 0.35 s."""
    limit = 0.5 * pace()
    assert min(spent_by(command(*arguments)) for _ in range(2)) < limit


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_import_no_torch(arguments: list[str]) -> None:
    code = f"import sys; from benchbed.cli import run_cli; run_cli({arguments!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_help_documents_every_exit_code() -> None:
    answer = apart("--help")
    assert answer.code == 0
    for code in ("0 ", "2 ", "3 ", "4 ", "130 "):
        assert f"\n    {code}" in answer.out


def test_list_methods_says_where_each_comes_from_and_what_it_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = here(capsys, "list", "methods", "--json")
    rows = {row["name"]: row for row in json.loads(answer.out)}
    assert {"san/vit-b16", "san/vit-l14", "san/tiny", "deop/r101c-vit-b16", "deop/tiny"} <= set(rows)
    assert {"maskclip/vit-b16", "maskclip/tiny"} <= set(rows)
    assert "san_vit_b_16.pth" in rows["san/vit-b16"]["needs"]
    assert rows["san/tiny"]["needs"].startswith("nothing")
    assert all(row["from"].startswith("benchbed ") for row in rows.values())


def test_list_datasets_says_what_is_missing_and_where_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in json.loads(here(capsys, "list", "datasets", "--json").out)}
    assert rows["shapes"]["needs"].startswith("nothing")
    assert "--data-root" in rows["voc"]["needs"]
    assert "host.robots.ox.ac.uk" in rows["voc"]["needs"]
    assert rows["voc"]["classes"] == "20 (15 seen, 5 unseen)"


def test_list_protocols_shows_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in json.loads(here(capsys, "list", "protocols", "--json").out)}
    assert set(rows) == {"paper", "matched"}
    assert rows["paper"]["absent_rule"] == "union"
    assert rows["matched"]["input"] != rows["paper"]["input"]


def test_misspelt_things_answer_with_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean methods" in here(capsys, "list", "method").err
    answer = here(capsys, "rum")
    assert answer.code == 2
    assert "run" in answer.err
    answer = here(capsys, "run", "--method", "san")
    assert answer.code == 2
    assert "--methods" in answer.err


def test_show_prints_a_record_in_full_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = example_record()
    path = RecordStore(tmp_path).write(record)
    shown = here(capsys, "show", path)
    assert shown.code == 0
    for expected in (record.id, "ground-truth-only", "pottedplant", "fingerprint", "random weights"):
        assert expected in shown.out
    content = json.loads(here(capsys, "show", record.id, "--out", tmp_path, "--json").out)
    assert content["id"] == record.id
    assert set(content["accuracy_by_rule"]) == {"ground-truth-only", "union", "all-classes"}


def test_show_of_nothing_and_of_something_torn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = here(capsys, "show", "abc", "--out", tmp_path)
    assert missing.code == 2
    assert "benchbed run makes one" in missing.err
    (tmp_path / "torn.json").write_text('{"kind": "benchbed rec')
    torn = here(capsys, "show", tmp_path / "torn.json")
    assert torn.code == 4
    assert "torn.json" in torn.err
    assert "Traceback" not in torn.err
