"""`benchbed report` as a user runs it: printed, written, merged, checked; and everything a user can get wrong."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import here
from example_record import example_record
from machine_pace import pace
from report_records import comparison, counts, trained

from benchbed.metrics import Counts
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import to_json
from benchbed.report.content import Report
from benchbed.report.writing import CONTENTS, WHOLE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder of nine records."""
    for record in comparison():
        RecordStore(tmp_path / "store").write(record)
    return tmp_path / "store"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder of two records that are not comparable: few plots, so that whole reports take little time."""
    for record in (comparison()[0], comparison()[6]):
        RecordStore(tmp_path / "small").write(record)
    return tmp_path / "small"


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small file in place of each sort of pictures, for tests of what becomes of files."""

    def draw(_: Report, folder: Path, reporter: Reporter) -> list[Path]:
        (folder / "picture.png").write_bytes(b"a picture")
        return [folder / "picture.png"]

    monkeypatch.setattr("benchbed.report.writing._pictures", lambda part: draw)


def test_tables_go_to_stdout(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "report", "--from", store)
    assert answer.code == 0
    for title in (
        "Seen, unseen and harmonic mean IoU",
        "mIoU over all classes",
        "Cost",
        "Measured against published",
    ):
        assert title in answer.out
    assert "IoU % of each class" not in answer.out
    assert answer.err == ""


def test_one_table_in_one_format_is_all_there_is(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "report", store, "--table", "efficiency", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(answer.out)))
    assert {line["table"] for line in lines} == {"efficiency"}
    assert {line["record"] for line in lines if line["record"]} == {record.id for record in comparison()}
    latex = here(capsys, "report", store, "--table", "zs3", "--format", "latex").out
    assert latex.startswith(r"% \usepackage{booktabs")
    assert r"\bottomrule" in latex


def test_a_report_has_everything_and_is_the_same_again(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        assert here(capsys, "report", "--from", small, "--to", folder).code == 0
    files = {path.relative_to(folders[0]).as_posix() for path in folders[0].rglob("*") if path.is_file()}
    assert {"index.html", CONTENTS, "tables/zs3.tex", "tables/tables.tex", "tables/efficiency.csv"} <= files
    assert any(name.startswith("plots/") and name.endswith(".pdf") for name in files)
    for name in files:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    assert here(capsys, "report", "--from", small, "--to", folders[0], "--check").code == 0


@pytest.mark.usefixtures("few_pictures")
def test_check_names_what_is_out_of_date(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    check = ("report", "--from", small, "--to", folder, "--check")
    assert "contents.txt is missing" in here(capsys, *check).err
    here(capsys, "report", "--from", small, "--to", folder)
    edited, extra = folder / "tables" / "zs3.md", folder / "plots" / "mine.png"
    edited.write_text(edited.read_text().replace("81.3", "91.3"))
    extra.write_bytes(b"x")
    new = trained("new/one", 0.99, 20)
    RecordStore(small).write(new)
    answer = here(capsys, *check)
    assert answer.code == 4
    assert f"{edited} is not what its records say" in answer.err
    assert f"{edited} was changed after it was written" in answer.err
    assert f"{extra} was not written by benchbed report" in answer.err
    assert f"record {new.id} new/one" in answer.err
    assert f"run: benchbed report --from {small} --to {folder}" in answer.err
    extra.unlink()
    assert here(capsys, "report", "--from", small, "--to", folder).code == 0
    assert here(capsys, *check).code == 0


@pytest.mark.usefixtures("few_pictures")
def test_writing_again_removes_what_is_no_more_and_nothing_else(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    here(capsys, "report", "--from", small, "--to", folder)
    (folder / "notes.md").write_text("mine")
    outside = tmp_path / "outside.txt"
    outside.write_text("somebody's")
    contents = folder / CONTENTS
    contents.write_text(contents.read_text() + "file 0123456789abcdef ../outside.txt\n")
    assert (folder / "tables" / "classes-2.md").exists()
    for path in (small / "records" / "voc").glob("san-vit-l14*"):
        path.unlink()
    here(capsys, "report", "--from", small, "--to", folder)
    assert not (folder / "tables" / "classes-2.md").exists()
    assert (folder / "notes.md").read_text() == "mine"
    assert outside.exists()


def test_records_of_several_people_merge(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = trained("theirs/best", 0.95, 30)
    RecordStore(tmp_path / "theirs").write(theirs)
    for sources in (("--from", store, tmp_path / "theirs"), ("--from", tmp_path / "theirs", "--from", store)):
        out = here(capsys, "report", *sources, "--table", "zs3", "--format", "csv").out
        lines = list(csv.DictReader(io.StringIO(out)))
        (best,) = [line for line in lines if line["column"] == "VOC (15/5) hIoU %" and line["rank"] == "best"]
        assert best["record"] == theirs.id


def test_damaged_files_are_named_and_the_rest_is_reported(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "records" / "torn.json").write_text('{"kind": "benchbed record", "schema": 1')
    answer = here(capsys, "report", "--from", store, "--table", "zs3")
    assert answer.code == 4
    assert "torn.json: not whole JSON" in answer.err
    assert "san/vit-b16" in answer.out
    assert "Traceback" not in answer.err


def test_records_that_no_figures_can_be_made_of_are_named_and_the_rest_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latency = trained("a/x", 0.5).cost["latency"]
    for place, samples in enumerate(([0.0] * 12, ["fast"] * 12, [-1.0, 2.0])):
        cost = {"latency": {**latency, "total_ms": samples}}
        RecordStore(tmp_path).write(trained(f"odd{place}/x", 0.5, cost=cost))
    huge = {**latency, "total_ms": [1e300] * 12, "stage_ms": {"backbone": [1e300] * 12}}
    RecordStore(tmp_path).write(
        trained("huge/x", 0.6, cost={"latency": huge, "params": {"total": 10**40, "trainable": 0}})
    )
    RecordStore(tmp_path).write(trained("good/x", 0.7, 1))
    answer = here(capsys, "report", "--from", tmp_path, "--to", tmp_path / "out")
    assert answer.code == 4
    assert "of 2 records" in answer.err
    for place in range(3):
        assert f"odd{place}-x" in answer.err
    assert answer.err.count("no figures can be made of it") == 3
    text = (tmp_path / "out" / "tables" / "efficiency.md").read_text()
    assert "1e+300" in text


def test_contradictions_are_told_on_stderr_and_in_the_table(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = comparison()[0]
    content = json.loads(to_json(record))
    other = json.loads(to_json(trained("san/vit-b16", 0.85, 1, 0.5)))
    content["counts"] = other["counts"]
    del content["id"]
    canonical = {name: value for name, value in content.items() if name != "kind"}
    text = json.dumps(canonical, sort_keys=True, ensure_ascii=False)
    content["id"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    (tmp_path / "other.json").write_text(json.dumps(content))
    answer = here(capsys, "report", "--from", store, tmp_path / "other.json", "--table", "zs3")
    assert answer.code == 0
    assert "contradict each other: san/vit-b16 on voc" in answer.err
    assert "contradict each other" in answer.out


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (
            ["--table", "zs4"],
            2,
            "--table: unknown table 'zs4': did you mean zs3? known are classes, efficiency",
        ),
        (["--format", "pdf"], 2, "--format: unknown format 'pdf'"),
        (["--format", "plots"], 2, "--format plots makes files; say where with --to DIR"),
        (["--check"], 2, "--check compares a whole report; give --to DIR"),
        (["--table", ","], 2, "--table ',' names nothing"),
        (["--from", "/nowhere/at/all"], 2, "--from /nowhere/at/all: no such file or folder"),
    ],
)
def test_wrong_flags(
    store: Path, flags: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = here(capsys, "report", "--from", store, *flags)
    assert answer.code == code
    assert said in answer.err
    assert answer.out == ""


def test_nothing_there_and_nowhere_to_write(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    answer = here(capsys, "report", "--from", tmp_path / "empty")
    assert answer.code == 3
    assert "no records; expected what benchbed run writes" in answer.err
    (tmp_path / "file").write_text("x")
    assert (
        "a file; expected a folder" in here(capsys, "report", "--from", store, "--to", tmp_path / "file").err
    )
    answer = here(capsys, "report", "--from", store, "--to", tmp_path / "file" / "below", "--format", "csv")
    assert answer.code == 4
    assert "cannot be written" in answer.err


def test_one_record_of_each_poor_kind_makes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = [example_record("a/x", cost={}), example_record("b/x", counts=None), example_record("c/x", 3)]
    for record in poor:
        RecordStore(tmp_path / record.id).write(record)
        assert here(capsys, "report", "--from", tmp_path / record.id, "--to", tmp_path / "out").code == 0
        assert (tmp_path / "out" / "index.html").stat().st_size > 10_000


def test_a_report_imports_no_torch(small: Path, tmp_path: Path) -> None:
    arguments = ["report", "--from", str(small), "--to", str(tmp_path / "out")]
    code = f"import sys; from benchbed.cli import run_cli; run_cli({arguments!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_thousand_records_take_less_than_ten_seconds_of_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixty methods on the same 200 images, measured again and again on the same day: tables, plots and the page of all.

    About 8 s of processor time on a quiet machine, on which the ten are asked.
    """
    truth = counts(1.0, 200).labelled
    for place in range(20):
        right = np.random.default_rng(place).binomial(truth, 0.4 + place / 40)
        made = Counts(counts(1.0, 200).image_ids, right, right + np.roll(truth - right, 1, axis=1), truth)
        content = json.loads(to_json(trained(f"m{place}/x", 0.5, place, images=200, counts=made)))
        del content["kind"], content["id"]
        for copy in range(50):
            content["label"] = f"m{place + 20 * (copy % 3)}/x"
            content["created"] = f"2026-11-21T04:{copy:02d}:00+00:00"
            text = json.dumps(content, sort_keys=True, ensure_ascii=False)
            name = hashlib.sha256(text.encode()).hexdigest()[:12]
            whole = json.dumps({"kind": "benchbed record", **content, "id": name})
            (tmp_path / f"{name}.json").write_text(whole)
    start = time.process_time()
    answer = here(capsys, "report", "--from", tmp_path, "--to", tmp_path / "out")
    seconds = time.process_time() - start
    assert answer.code == 0
    assert "of 1000 records" in answer.err
    page = (tmp_path / "out" / "index.html").read_text()
    assert len(page.encode()) < 3_000_000
    assert '"pairs":{"' in page  # compared, as far as a page has room
    assert {path.name.partition("-")[0] for path in (tmp_path / "out" / "plots").glob("*.pdf")} >= {
        *("tradeoff", "stages", "classes", "spread")
    }
    assert seconds < 10 * pace()


def test_the_report_in_the_repository_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    recorded, reports = ROOT / "results" / "recorded", ROOT / "reports"
    if not recorded.is_dir():
        pytest.skip(f"{recorded} is not there: this is not a checkout of the repository")
    answer = here(capsys, "report", "--from", recorded, "--to", reports, "--check")
    assert answer.code == 0, answer.err


def test_every_part_of_a_whole_report_is_known() -> None:
    assert set(WHOLE) == {"markdown", "csv", "latex", "html", "plots", "gallery", "page"}
