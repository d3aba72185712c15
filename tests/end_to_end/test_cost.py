"""`benchbed cost` as a user runs it: tables, JSON, the record, mistakes, and processes that die on the way."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command import command, here, with_path
from faulty_method import register

from benchbed import cost_study
from benchbed.cost_records import read_cost_records

SMALL = ("--size", "64x96", "--classes", 5, "--seconds", 0.01, "--until", 0)
PATIENCE_S = 120


def test_one_command_gives_tables_and_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = (
        "--methods",
        "deop/tiny,zegformer/tiny,lseg/tiny",
        "--sweep",
        "proposals=2,6,9",
        "--proposals",
        9,
        "--out",
        tmp_path,
    )
    answer = here(capsys, "cost", *flags, *SMALL)
    assert answer.code == 0, answer.err
    for words in (
        "Size and work: 64 x 96, 5 classes, 9 proposals, batch 1, protocol matched",
        "Time: 64 x 96",
        "Stages: 64 x 96",
        "Sweep over proposals, ms",
        "Scaling with proposals",
        "unaccounted",
        "1 multiply-add = 2 FLOPs",
        "noise floor: ",
        "cold call ms",
        "random weights: accuracy means nothing",
        "one point: does not depend on it",
    ):
        assert words in answer.out, words
    (record,), skipped = read_cost_records(tmp_path)
    assert skipped == []
    assert f"cost record: {tmp_path / 'costs' / record.id}.json" in answer.err.replace("\n", "")
    assert len(record.points) == 7
    assert list((tmp_path / "partial").iterdir()) == []


def test_json_alone_on_stdout_with_options_and_throughput(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--methods", "lseg/tiny", "--precision", "fp32,bf16", "--throughput", "--memory-budget", "20MiB")
    answer = here(capsys, "cost", *flags, *SMALL, "--out", tmp_path, "--json")
    assert answer.code == 0, answer.err
    content = json.loads(answer.out)
    assert content["failures"] == []
    subjects = content["record"]["subjects"]
    assert list(subjects) == ["lseg/tiny", "lseg/tiny [bf16]"]
    plain = subjects["lseg/tiny"]
    assert plain["latency"]["low"] <= plain["latency"]["value"] <= plain["latency"]["high"]
    assert plain["x_plain"]["value"] == 1
    assert plain["cold_ms"] > 0
    assert plain["p50"] <= plain["p90"] <= plain["p99"]
    assert plain["flops"]["total"] == sum(stage.get("flops", 0) for stage in plain["stages"].values())
    assert plain["outputs"]["same"] is True
    assert plain["batches_tried"]
    assert plain["joules_an_image"] is None
    assert 0 < plain["matmul_percent"]["value"] < 400
    assert content["record"]["noise_floor"]["ratio"]["n"] == 4
    assert Path(content["record"]["path"]).is_file()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--methods", ","), "--methods is missing"),
        (("--methods", "sam"), "did you mean san"),
        (("--methods", "san/tiny", "--size", "640"), "--size 640: expected HEIGHTxWIDTH"),
        (("--methods", "san/tiny", "--classes", "0"), "--classes 0: expected a number of classes"),
        (("--methods", "san/tiny", "--classes", "many"), "--classes"),
        (("--methods", "san/tiny", "--proposals", "-3"), "--proposals -3: expected a number of proposals"),
        (("--methods", "lseg/tiny", "--proposals", "3"), "none of lseg/tiny proposes masks"),
        (("--methods", "san/tiny", "--batch", "0"), "--batch 0: expected"),
        (("--methods", "san/tiny", "--sweep", "depth=1:3"), "--sweep depth=1:3: expected AXIS=VALUES"),
        (("--methods", "san/tiny", "--precision", "fp64"), "--precision fp64"),
        (("--methods", "san/tiny", "--precision", ","), "--precision ',' names nothing"),
        (("--methods", "san/tiny", "--memory-budget", "much"), "--memory-budget much"),
        (("--methods", "san/tiny", "--seconds", "0"), "--seconds 0: expected more than 0"),
        (("--methods", "san/tiny", "--seconds", "nan"), "--seconds nan: expected more than 0"),
        (("--methods", "san/tiny", "--until", "100"), "--until 100: expected a percentage"),
        (("--methods", "san/tiny", "--protocol", "fair"), "unknown protocol"),
        (("--methods", "san/tiny", "--device", "cuda:77"), "--device cuda:77: not there"),
        ((), "--methods"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str
) -> None:
    answer = here(capsys, "cost", *flags, "--out", tmp_path)
    assert answer.code == 2
    assert words in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert answer.out == ""
    assert not list(tmp_path.glob("costs/*"))


def test_weights_that_are_not_there_are_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = here(
        capsys, "cost", "--methods", "san/tiny", "--weights", tmp_path / "none.pth", "--out", tmp_path
    )
    assert (answer.code, "none.pth" in answer.err) == (3, True)


def test_a_place_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    answer = here(capsys, "cost", "--methods", "san/tiny", "--out", tmp_path / "file")
    assert answer.code == 4
    assert "--out" in answer.err
    assert "building" not in answer.err


def test_a_broken_method_is_exit_code_4_and_the_rest_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    answer = here(capsys, "cost", "--methods", "faulty/raises,faulty/none", *SMALL, "--out", tmp_path)
    assert answer.code == 4
    assert "failed: faulty/raises: latency" in answer.err
    assert "faulty/none" in answer.out
    (record,), _ = read_cost_records(tmp_path)
    assert [point.subject for point in record.points] == ["faulty/none"]


def test_an_interruption_is_exit_code_130_and_leaves_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    answer = here(capsys, "cost", "--methods", "faulty/interrupt", *SMALL, "--out", tmp_path)
    assert answer.code == 130
    assert "interrupted; no record was written" in answer.err
    assert read_cost_records(tmp_path) == ([], [])


def test_an_interruption_after_the_first_rounds_keeps_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    flags = (
        "--methods",
        "faulty/none,faulty/interrupt-late",
        "--size",
        "64x96",
        "--classes",
        5,
        "--until",
        0,
    )
    answer = here(capsys, "cost", *flags, "--seconds", 600, "--throughput", "--out", tmp_path)
    assert answer.code == 130, answer.err
    assert "interrupted by the user" in answer.out
    assert "failed: throughput: interrupted: not measured to its end" in answer.err
    (record,), _ = read_cost_records(tmp_path)
    rounds = {len(point.latency["total_ms"]) for point in record.points}
    assert rounds == {record.stopping["rounds"]}, "only whole rounds"
    assert record.stopping["rounds"] >= record.stopping["least_rounds"]
    assert record.stopping["why"] == "interrupted"


@pytest.mark.parametrize("where", ["_count", "_peaks"])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_interruption_after_the_last_round_keeps_all_rounds(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    flags: tuple[str, ...],
) -> None:
    register(monkeypatch)
    real, calls = getattr(cost_study, where), [0]

    def second_time(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(cost_study, where, second_time)
    answer = here(capsys, "cost", "--methods", "faulty/none,faulty/other", *SMALL, *flags, "--out", tmp_path)
    assert answer.code == 130, answer.err
    assert "faulty/other: interrupted: not measured to its end" in answer.err
    (record,), _ = read_cost_records(tmp_path)
    assert record.stopping["why"] == "time", "the rounds themselves are whole"
    assert {point.subject for point in record.points} == {"faulty/none", "faulty/other"}
    assert record.subjects["faulty/other"]["failures"] == ["interrupted: not measured to its end"]
    assert ("params" in record.subjects["faulty/none"]) == (where == "_count")


def test_a_process_killed_while_it_measures_leaves_nothing_half_written(tmp_path: Path) -> None:
    arguments = (
        "cost",
        "--methods",
        "lseg/tiny",
        "--size",
        "64x96",
        "--classes",
        5,
        "--until",
        0,
        "--out",
        tmp_path,
    )
    child = subprocess.Popen(
        command(*arguments),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=with_path(None, {}),
    )
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("latency:"):
            child.send_signal(signal.SIGKILL)
            break
    child.stderr.close()
    assert child.wait(PATIENCE_S) == -signal.SIGKILL
    assert read_cost_records(tmp_path) == ([], [])
    assert list((tmp_path / "costs").iterdir()) == []
