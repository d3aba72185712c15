"""Records of several machines merge without a server: two folders read together are their files copied into one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from report_records import comparison

from benchbed.cli import run_cli
from benchbed.record_store import RecordStore


def printed(capsys: pytest.CaptureFixture[str], *sources: Path) -> str:
    """The report of these folders, as CSV."""
    words = [word for source in sources for word in ("--from", str(source))]
    assert run_cli(["report", *words, "--table", "zs3,efficiency", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_two_folders_are_their_files_copied_into_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, both = (tmp_path / name for name in ("first", "second", "both"))
    records = comparison()
    for folder, share in ((first, records[:5]), (second, records[4:])):  # one of them is in both
        for record in share:
            RecordStore(folder).write(record)
        (folder / "sweep").mkdir()
        (folder / "sweep" / "k.job.json").write_text("{}")
    for folder in (first, second):
        shutil.copytree(folder, both, dirs_exist_ok=True)
    together = printed(capsys, first, second)
    assert together == printed(capsys, both) == printed(capsys, second, first)
    assert all(record.id in together for record in records if record.counts is not None)
