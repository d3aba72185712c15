"""`benchbed sweep --executor slurm` on a real Slurm: records, a failure beside a success, several workers, a preemption.

Runs where `sbatch` is installed and a controller answers (`slurm_node.sh` sets up one node); elsewhere it says what is missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from command import apart, command
from light_data import light_data

from benchbed.record_store import RecordStore
from benchbed.records import Record

SET_UP = "tests/end_to_end/slurm_node.sh start DIR, then export SLURM_CONF=DIR/slurm.conf"
PATIENCE_S = 600


@pytest.fixture(scope="module")
def slurm() -> None:
    """A Slurm that answers, or a skip."""
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'benchbed[sweep]'")
    if shutil.which("sbatch") is None:
        pytest.skip(f"sbatch is not installed: apt-get install slurm-wlm munge; then {SET_UP}")
    answer = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=60)
    if answer.returncode or not answer.stdout.strip():
        pytest.skip(f"slurmctld does not answer ({answer.stderr.strip()}): {SET_UP}")


def records(out: Path) -> list[Record]:
    found, skipped = RecordStore(out).read_all()
    assert skipped == []
    return found


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(900)
def test_records_failures_and_workers(tmp_path: Path) -> None:
    data = light_data(tmp_path / "data", 2)
    for photo in (tmp_path / "data" / "photos").iterdir():
        photo.write_bytes(b"no photo")
    flags = ("--methods", "maskclip/tiny", "--limit", 5, "--keep", 0)
    place = ("--executor", "slurm", "--workers", 2, "--out", tmp_path / "out", "--json")
    answer = apart("sweep", *flags, "--datasets", f"shapes,{data}", *place)
    assert answer.code == 4, answer.err
    content = json.loads(answer.out)
    assert [failure["item"] for failure in content["failures"]] == ["maskclip/tiny on tiny"]
    (record,) = records(tmp_path / "out")
    assert record.environment["workers"]["count"] == 2
    one = apart("run", *flags, "--out", tmp_path / "one")
    assert one.code == 0, one.err
    assert records(tmp_path / "one")[0].counts == record.counts


@pytest.mark.usefixtures("slurm")
@pytest.mark.timeout(900)
def test_a_preempted_job_goes_on_where_it_was(tmp_path: Path) -> None:
    """A job of the partition `high`, which slurm_node.sh makes, takes the node from the sweep's in `low`."""
    partitions = subprocess.run(["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True).stdout
    if not {"low*", "high"} <= set(partitions.split()):
        pytest.skip(f"this Slurm has not the partitions low and high: {SET_UP}")
    out = tmp_path / "out"
    flags = (
        "--methods",
        "maskclip/tiny",
        "--limit",
        60,
        "--keep",
        0,
        "--executor",
        "slurm",
        "--slurm",
        "partition=low",
    )
    sweep = subprocess.Popen(
        command("sweep", *flags, "--out", out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    wait_for_lines(out, 5, sweep)
    before = lines(out)
    subprocess.run(["sbatch", "--partition=high", "--output=/dev/null", "--wrap", "sleep 2"], check=True)
    _, said = sweep.communicate(timeout=600)
    assert sweep.returncode == 0, said
    assert "pending (BeginTime)" in said or "completing" in said
    (record,) = records(out)
    resumed = [each for each in record.warnings if "counted by an earlier, interrupted run" in each]
    assert resumed
    assert int(resumed[0].split()[0]) >= before
    assert record.dataset["images"] == 60


def lines(out: Path) -> int:
    """Images counted so far."""
    return sum(path.read_bytes().count(b"\n") for path in (out / "partial").glob("*.jsonl"))


def wait_for_lines(out: Path, count: int, sweep: subprocess.Popen[str]) -> None:
    for _ in range(PATIENCE_S * 10):
        if lines(out) >= count:
            return
        assert sweep.poll() is None, "the sweep ended before its job was at work"
        Event().wait(0.1)
    raise AssertionError(f"{sys.argv[0]}: {count} images were not counted in {PATIENCE_S} s")
