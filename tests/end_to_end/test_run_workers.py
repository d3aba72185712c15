"""`benchbed run` by several workers: the integers of one process, whatever their number, and nothing lost when one dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from light_data import light_data
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from worker_run import DIES, START_METHOD, cli, together

from benchbed.metrics import Counts
from benchbed.record_store import RecordStore
from benchbed.records import Record

IMAGES = 7
METHOD = ("--methods", "faulty/none", "--keep", 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven tiny photos and masks."""
    return light_data(tmp_path_factory.mktemp("data"), IMAGES)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """What one process counts."""
    out = tmp_path_factory.mktemp("alone")
    assert together(1, out / "logs", *METHOD, "--dataset", data, "--out", out) == [0]
    return counts(only_record(out))


def only_record(out: Path) -> Record:
    records, skipped = RecordStore(out).read_all()
    assert skipped == []
    assert len(records) == 1
    return records[0]


def counts(record: Record) -> Counts:
    assert record.counts is not None
    return record.counts


def journals(out: Path) -> list[Path]:
    """Whatever unfinished work lies there."""
    return sorted((out / "partial").rglob("*.jsonl"))


def said(logs: Path, rank: int, what: str = "err") -> str:
    return (logs / f"{rank}.{what}").read_text()


def test_uneven_shares_give_the_counts_of_one_process_and_only_worker_0_speaks(
    data: Path, alone: Counts, tmp_path: Path
) -> None:
    flags = (*METHOD, "--dataset", data, "--out", tmp_path, "--json")
    assert together(3, tmp_path / "logs", *flags) == [0, 0, 0]
    record = only_record(tmp_path)
    assert record.counts == alone
    assert record.environment["workers"]["count"] == 3
    assert "worker 0 alone" in record.environment["workers"]["cost"]
    assert record.warnings == tuple(each for each in record.warnings if "interrupted" not in each)
    assert len(json.loads(said(tmp_path / "logs", 0, "out"))["records"]) == 1
    for rank in (1, 2):
        assert said(tmp_path / "logs", rank, "out") == said(tmp_path / "logs", rank) == ""
    assert journals(tmp_path) == []


def test_more_workers_than_images(data: Path, alone: Counts, tmp_path: Path) -> None:
    flags = (*METHOD, "--dataset", data, "--out", tmp_path, "--limit", 2)
    assert together(4, tmp_path / "logs", *flags) == [0] * 4
    assert counts(only_record(tmp_path)) == alone.select(alone.image_ids[:2])


def test_a_worker_that_dies_is_one_clear_error_and_any_number_of_workers_goes_on(
    data: Path, alone: Counts, tmp_path: Path
) -> None:
    flags = (*METHOD, "--dataset", data, "--out", tmp_path)
    codes = together(3, tmp_path / "first", *flags, environment={DIES: "1:1"})
    assert codes == [4, -9, 4]
    complaints = [line for line in said(tmp_path / "first", 0).splitlines() if line.startswith("benchbed:")]
    assert len(complaints) == 1
    assert "run the same command" in complaints[0]
    assert "Traceback" not in said(tmp_path / "first", 0) + said(tmp_path / "first", 2)
    kept = sum(path.read_bytes().count(b"\n") for path in journals(tmp_path))
    assert kept == 3 + 1 + 2

    assert together(2, tmp_path / "second", *flags, environment={DIES: "0:0"})[0] == -9
    assert sum(path.read_bytes().count(b"\n") for path in journals(tmp_path)) == kept
    assert together(1, tmp_path / "third", *flags) == [0]
    record = only_record(tmp_path)
    assert record.counts == alone
    assert [each for each in record.warnings if each.startswith(f"{kept} of {IMAGES} images")]
    assert journals(tmp_path) == []


def test_what_one_process_counted_is_not_counted_again_by_several(
    data: Path, alone: Counts, tmp_path: Path
) -> None:
    flags = (*METHOD, "--dataset", data, "--out", tmp_path)
    assert together(1, tmp_path / "first", *flags, environment={"RANK": "0", DIES: "0:3"}) == [-9]
    assert together(2, tmp_path / "second", *flags) == [0, 0]
    assert "going on after 3 images" in said(tmp_path / "second", 0)
    assert counts(only_record(tmp_path)) == alone
    assert journals(tmp_path) == []


def test_a_bad_image_fails_the_item_with_the_worker_named_and_may_be_skipped(tmp_path: Path) -> None:
    data = light_data(tmp_path / "data", 4)
    next((tmp_path / "data" / "photos").glob("00001*")).write_bytes(b"no photo")
    flags = (*METHOD, "--dataset", data, "--out", tmp_path / "out")
    codes = together(2, tmp_path / "stop", *flags)
    assert codes[0] == codes[1] != 0
    assert "worker 1 of 2" in said(tmp_path / "stop", 0)
    assert "00001" in said(tmp_path / "stop", 0)
    assert together(2, tmp_path / "skip", *flags, "--on-bad-image", "skip") == [0, 0]
    record = only_record(tmp_path / "out")
    assert record.dataset["skipped"] == ["00001"]
    assert counts(record).image_ids == ("00000", "00002", "00003")


def test_a_wrong_flag_is_said_once(tmp_path: Path) -> None:
    assert together(2, tmp_path / "logs", "--methods", "faulti", "--out", tmp_path) == [2, 2]
    assert said(tmp_path / "logs", 0).count("did you mean faulty") == 1
    assert said(tmp_path / "logs", 1) == ""


def test_torchrun_starts_them(data: Path, alone: Counts, tmp_path: Path) -> None:
    """torchrun's own launcher, with processes that have imported everything already."""
    flags = ("run", *METHOD, "--dataset", data, "--out", tmp_path, "--device", "cpu")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method=START_METHOD,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(log_dir=str(tmp_path / "logs"), redirects=Std.ALL),
    )
    assert elastic_launch(config, cli)([str(flag) for flag in flags]) == {0: 0, 1: 0}
    assert counts(only_record(tmp_path)) == alone
