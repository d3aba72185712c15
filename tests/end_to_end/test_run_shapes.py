"""`benchbed run` on the embedded dataset, as a new user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Answer, apart, here
from faulty_method import register

from benchbed.record_store import RecordStore, read_record

METHODS = {"san/tiny", "deop/tiny", "maskclip/tiny"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def answer(out: Path) -> Answer:
    """One real run in a process of its own: every method, 4 scenes, JSON."""
    return apart("run", "--limit", 4, "--out", out, "--json", quick=True)


def test_the_default_is_every_method_and_stdout_is_json_alone(answer: Answer) -> None:
    assert answer.code == 0, answer.err
    content = json.loads(answer.out)
    assert {record["label"] for record in content["records"]} >= METHODS
    assert content["failures"] == []


def test_every_number_is_there_with_its_interval(answer: Answer) -> None:
    for record in json.loads(answer.out)["records"]:
        for name in ("miou", "seen_miou", "unseen_miou", "hiou", "pixel_accuracy"):
            assert set(record["accuracy"][name]) == {"value", "low", "high", "unit", "kind"}
        assert (
            record["cost"]["latency"]["low"]
            <= record["cost"]["latency"]["value"]
            <= record["cost"]["latency"]["high"]
        )
        assert record["cost"]["flops"]["total"] > 0
        assert record["cost"]["params"]["total"] > record["cost"]["params"]["trainable"]
        assert record["cost"]["memory"]["total_bytes"] > 0
        assert "unaccounted" in record["cost"]["stages_ms"]
        assert record["weights"]["kind"] == "packaged"
        assert len(record["weights"]["sha256"]) == 64


def test_records_are_whole_and_timed_side_by_side(answer: Answer, out: Path) -> None:
    records, skipped = RecordStore(out).read_all()
    assert skipped == []
    assert len({record.cost["latency"]["run_id"] for record in records}) == 1
    for record in records:
        assert record.counts is not None
        assert record.counts.num_images == 4
        assert len(record.cost["latency"]["total_ms"]) >= 2
        flops = record.cost["flops"]
        assert flops["total"] == sum(flops["per_stage"].values())
        assert abs(flops["counters"]["fvcore"] / flops["counters"]["torch"] - 1) < 0.002
    assert list((out / "partial").iterdir()) == []


def test_progress_goes_to_stderr(answer: Answer) -> None:
    assert "accuracy: 4 of 4" in answer.err
    assert "record: " in answer.err


def test_again_it_gives_the_same_integers_and_a_table_that_names_the_weights_in_every_row(
    answer: Answer, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer.code == 0
    again = here(capsys, "run", "--methods", "san,maskclip", "--limit", 4, "--out", tmp_path)
    first = {record.label: record for record in RecordStore(out).read_all()[0]}
    second, _ = RecordStore(tmp_path).read_all()
    assert len(second) == 2
    for record in second:
        assert record.counts == first[record.label].counts
        assert record.method["weights"]["sha256"] == first[record.label].method["weights"]["sha256"]
    lines = again.out.splitlines()
    assert len([line for line in lines if "/tiny " in line and "packaged: " in line]) == 2
    assert "4 of 200 images" in again.out
    assert "rank nothing in the real world" in again.out


def test_a_dry_run_forecasts_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "run", "--methods", "san", "--dry-run", "--json", "--out", tmp_path / "none")
    row = json.loads(answer.out)["plan"][0]
    assert row["item"] == "san/tiny on shapes"
    assert row["images"] == "200 of 200 images"
    assert row["expected_s"] > row["image_ms"] / 1000 > 0
    assert not (tmp_path / "none").exists()
    table = here(capsys, "run", "--methods", "san", "--dry-run", "--limit", 7)
    assert "7 of 200 images" in table.out


@pytest.mark.parametrize(("precision", "methods"), [("bf16", "san,maskclip"), ("fp16", "faulty/none")])
def test_half_precisions_run_and_are_another_protocol(
    precision: str,
    methods: str,
    answer: Answer,
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every method in both precisions: test_segment.py; here what `run` makes of it."""
    register(monkeypatch)
    flags = ("--limit", 1, "--out", tmp_path, "--precision", precision, "--json")
    content = json.loads(here(capsys, "run", "--methods", methods, *flags).out)
    assert content["failures"] == []
    assert answer.code == 0
    full = RecordStore(out).read_all()[0][0].protocol["fingerprint"]
    assert all(record["protocol"]["fingerprint"] != full for record in content["records"])


def test_matched_gives_all_methods_one_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--limit", 1, "--out", tmp_path, "--protocol", "matched", "--json")
    content = json.loads(here(capsys, "run", "--methods", "san,deop", *flags).out)
    sides = {
        read_record(Path(record["path"])).protocol["resolved"]["input"]["short_side"]
        for record in content["records"]
    }
    assert sides == {128}
