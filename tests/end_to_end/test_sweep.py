"""`benchbed sweep` with submitit's local executor: real processes, real records."""

from __future__ import annotations

import json
import os
import signal
from collections import deque
from pathlib import Path

import psutil
import pytest
from command import here
from light_data import light_data

from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.sweep import watching
from benchbed.sweep.executor import Resources, make_executor
from benchbed.sweep.item import SweepItem
from benchbed.sweep.job import SweepJob
from benchbed.sweep.ledger import Ledger
from benchbed.sweep.watching import Watch

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'benchbed[sweep]'")
# A job that needs no torch: it fails at once, as its outcome says.
QUICK = SweepItem("quick on none", "quick", ("show", "nonsense"))


@pytest.mark.timeout(900)
def test_one_record_each_a_failure_stops_no_other_and_a_second_call_skips_what_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = light_data(tmp_path / "data", 2)
    for photo in (tmp_path / "data" / "photos").iterdir():
        photo.write_bytes(b"no photo")
    flags = ("--methods", "maskclip/tiny", "--limit", 2, "--keep", 0, "--out", tmp_path / "out", "--json")
    answer = here(capsys, "sweep", *flags, "--datasets", f"{data},shapes")
    assert answer.code == 4, answer.err
    content = json.loads(answer.out)
    assert [record["dataset"]["name"] for record in content["records"]] == ["shapes"]
    assert [failure["item"] for failure in content["failures"]] == ["maskclip/tiny on tiny"]
    assert "00000" in content["failures"][0]["message"]
    records, _ = RecordStore(tmp_path / "out").read_all()
    assert [record.dataset["images"] for record in records] == [2]

    again = here(capsys, "sweep", *flags, "--datasets", "shapes")
    assert again.code == 0
    assert "1 of 1 were finished before" in again.err
    assert json.loads(again.out)["finished_before"] == ["maskclip/tiny on shapes"]
    assert len(RecordStore(tmp_path / "out").read_all()[0]) == 1


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for which every job waits before it begins, as in a queue."""
    path = tmp_path / "go"
    waits = f"""
import os, time
while os.environ.get("SUBMITIT_LOCAL_GLOBALID") and not os.path.exists({str(path)!r}):
    time.sleep(0.05)
"""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(waits)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'path'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return path


def test_ctrl_c_leaves_jobs_running_and_the_next_call_watches_them(
    tmp_path: Path, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "out")
    ledger.prepare()
    sweep = local_watch(ledger)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(watching, "Event", _Interrupt)
        with pytest.raises(KeyboardInterrupt):
            sweep.to_the_end()
    job = sweep.running[0].job
    assert f"kill -INT {job.id}" in "\n".join(sweep.farewell())
    assert os.getpgid(int(job.id)) != os.getpgid(0), "a terminal's Ctrl-C must not reach it"
    assert psutil.pid_exists(int(job.id))

    second = local_watch(ledger)
    second._find_running()
    assert [each.job.id for each in second.running] == [job.id]
    assert not second.waiting
    go.write_text("")
    second.to_the_end()
    assert [item for item, _ in second.failures] == [QUICK.name]
    assert "record 'nonsense'" in second.failures[0][1]


class _Interrupt:
    """Somebody presses Ctrl-C while the sweep waits."""

    def wait(self, seconds: float) -> None:
        raise KeyboardInterrupt


@pytest.mark.usefixtures("go")
def test_a_job_that_is_killed_is_one_clear_failure(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.prepare()
    sweep = local_watch(ledger)
    sweep._fill()
    os.killpg(int(sweep.running[0].job.id), signal.SIGKILL)
    sweep.to_the_end()
    assert "ended before it was done (its process ended with -9)" in sweep.failures[0][1]


def local_watch(ledger: Ledger) -> Watch:
    place = make_executor("local", str(ledger.logs), Resources(minutes=5), None)
    place.poll_s = 0.1
    return Watch(ledger, place, Reporter(quiet=True), deque([QUICK]))


def test_a_job_is_the_same_again_after_a_preemption(tmp_path: Path) -> None:
    job = SweepJob(("run",), tmp_path / "outcome")
    delayed = job.checkpoint()
    assert delayed.function == job
    assert delayed.args == ()


def test_flags_of_run_reach_the_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ("--limit", 3, "--precision", "bf16", "--weights", "random", "--on-bad-image", "skip")
    answer = here(capsys, "sweep", "--methods", "san", *shared, "--out", tmp_path, "--dry-run", "--json")
    assert answer.code == 0, answer.err
    words = json.loads(answer.out)["jobs"][0]["command"]
    for flag, value in zip(shared[::2], shared[1::2], strict=True):
        assert words[words.index(flag) + 1] == str(value)
    assert words[words.index("--methods") + 1] == "san/tiny"
    assert words[-2:] == ["--out", str(tmp_path)]
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--methods", "sann"), "did you mean san"),
        (("--slurm", "partition"), "NAME=VALUE"),
        (("--executor", "slum"), "slum"),
        (("--jobs", 0), "--jobs"),
        (("--datasets", ","), "names nothing"),
    ],
)
def test_wrong_flags(flags: tuple[object, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "sweep", *flags)
    assert answer.code == 2
    assert says in answer.err
    assert answer.out == ""


def test_no_slurm_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = here(capsys, "sweep", "--methods", "san", "--executor", "slurm", "--out", tmp_path)
    assert answer.code == 2
    assert "sbatch" in answer.err
    assert "--executor local" in answer.err


def test_without_submitit_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    answer = here(capsys, "sweep", "--methods", "san", "--out", tmp_path)
    assert answer.code == 2
    assert "benchbed[sweep]" in answer.err
