"""`benchbed run` when something goes wrong: the right code, one clear sentence, nothing lost."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from command import command, here, quick_command, started
from faulty_method import register

from benchbed.datasets.dataset import Sample
from benchbed.datasets.shapes import ShapesScenes
from benchbed.journal import journal
from benchbed.record_store import RecordStore


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("fault", "says"),
    [("nan", "NaN"), ("inf", "Inf"), ("too-many-classes", "20")],
)
def test_scores_that_no_label_map_can_be_made_of(
    fault: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = here(capsys, "run", "--methods", f"faulty/{fault}", "--limit", 5, "--out", tmp_path)
    assert answer.code == 4
    assert says in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.usefixtures("faulty")
def test_one_failing_method_does_not_take_the_others_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--methods", "faulty/nan,faulty/other,faulty/none", "--limit", 5, "--out", tmp_path, "--json")
    answer = here(capsys, "run", *flags)
    assert answer.code == 4
    content = json.loads(answer.out)
    assert [record["label"] for record in content["records"]] == ["faulty/other", "faulty/none"]
    assert [failure["item"] for failure in content["failures"]] == ["faulty/nan on shapes"]


@pytest.mark.usefixtures("faulty")
def test_a_heavy_operator_that_nobody_counted_fails_loudly_and_keeps_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--methods", "faulty/custom-operator", "--limit", 2, "--out", tmp_path, "--json")
    answer = here(capsys, "run", *flags)
    assert answer.code == 4
    record = json.loads(answer.out)["records"][0]
    assert record["cost"]["flops"] is None
    assert "my_attention" in record["failures"][0]
    assert record["cost"]["latency"]["value"] > 0
    assert record["accuracy"]["miou"]["value"] is not None


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("fault", ["raises", "raises-late", "build"])
def test_a_broken_method_is_one_sentence_and_its_traceback_a_file(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--methods", f"faulty/none,faulty/{fault}", "--limit", 4, "--out", tmp_path, "--json")
    answer = here(capsys, "run", *flags)
    assert answer.code == 4
    assert "Traceback" not in answer.err
    content = json.loads(answer.out)
    good = next(record for record in content["records"] if record["label"] == "faulty/none")
    assert good["cost"]["latency"]["value"] > 0
    message = content["failures"][0]["message"]
    log = Path(message.partition("traceback in ")[2].rstrip(")"))
    assert "Traceback" in log.read_text()
    assert ("the method itself is broken" in message) == (fault != "build")


def test_a_run_that_does_not_own_the_journal_leaves_it_to_the_run_that_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    flags = ("run", "--methods", "faulty/none", "--limit", 3, "--out", tmp_path)
    assert here(capsys, "run", "--methods", "faulty/interrupt", "--limit", 6, "--out", tmp_path).code == 130
    (left,) = (tmp_path / "partial").glob("*.jsonl")
    mine = tmp_path / "partial" / "held.jsonl"
    monkeypatch.setattr("benchbed.accuracy_pass.journal_key", lambda subject: "held")
    with journal(mine, 20):
        answer = here(capsys, *flags)
        assert "another run is measuring the same" in answer.err
        assert mine.exists()
    assert left.exists()


@pytest.mark.usefixtures("faulty")
def test_work_of_other_code_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("run", "--methods", "faulty/interrupt", "--limit", 6, "--out", tmp_path)
    assert here(capsys, *flags).code == 130
    assert "going on after 3 images" in here(capsys, *flags).err
    monkeypatch.setattr("benchbed.accuracy_pass.source_digest", lambda package: "other code")
    assert "going on" not in here(capsys, *flags).err


@pytest.mark.usefixtures("faulty")
def test_a_record_says_what_an_interrupted_run_had_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("run", "--methods", "faulty/none", "--limit", 4, "--out", tmp_path, "--json")
    failing = [True]
    real = ShapesScenes.sample

    def sample(self: ShapesScenes, index: int) -> Sample:
        if index == 2 and failing:  # by its place: several threads read ahead
            failing.clear()
            raise KeyboardInterrupt
        return real(self, index)

    monkeypatch.setattr(ShapesScenes, "sample", sample)
    assert here(capsys, *flags).code == 130
    record = json.loads(here(capsys, *flags).out)["records"][0]
    assert any(
        "2 of 4 images were counted by an earlier, interrupted run" in text for text in record["warnings"]
    )


@pytest.mark.usefixtures("faulty")
def test_ctrl_c_keeps_what_was_counted_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--methods", "faulty/none,faulty/interrupt", "--limit", 6, "--out", tmp_path)
    first = here(capsys, "run", *flags)
    assert first.code == 130
    assert "run the same command to go on" in first.err
    second = here(capsys, "run", *flags)
    assert "faulty/none on shapes: going on after 6 images" in second.err
    assert "faulty/interrupt on shapes: going on after 3 images" in second.err


def test_a_real_interrupt_signal_is_exit_code_130(tmp_path: Path) -> None:
    process = started(command("run", "--methods", "san", "--out", tmp_path))
    partial = tmp_path / "partial"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (
        partial.is_dir() and any(p.stat().st_size for p in partial.iterdir())
    ):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in err


def test_two_runs_into_one_folder_at_once_both_survive(tmp_path: Path) -> None:
    flags = ("run", "--methods", "maskclip", "--limit", 12, "--out", tmp_path, "--json")
    both = [started(quick_command(*flags)) for _ in range(2)]
    answers = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    records, skipped = RecordStore(tmp_path).read_all()
    assert len(records) == 2
    assert skipped == []
    assert records[0].counts == records[1].counts


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--device", "cuda:7"), 2, "--device cuda:7"),
        (("--device", "gpu"), 2, "expected auto, cpu, cuda or cuda:n"),
        (("--precision", "fp8"), 2, "--precision fp8"),
        (("--protocol", "papers"), 2, "did you mean paper"),
        (("--methods", "sann"), 2, "did you mean san"),
        (("--dataset", "shape"), 2, "did you mean shapes"),
        (("--methods", "san,san"), 2, "named twice"),
        (("--methods", ","), 2, "names nothing"),
        (("--dataset", ""), 2, "names nothing"),
        (("--limit", "0"), 2, "--limit 0"),
        (("--limit", "many"), 2, "many"),
        (("--methods", "san", "--weights", "none.pth"), 3, "none.pth: no such file"),
        (("--methods", "san,deop", "--weights", "none.pth"), 2, "2 variants"),
    ],
)
def test_wrong_flags(
    flags: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = here(capsys, "run", *flags)
    assert answer.code == code
    assert says in answer.err
    assert answer.out == ""
    assert "Traceback" not in answer.err


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_with_pickled_code_is_refused_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(
        {"model": {"weight": torch.ones(1)}, "trainer": _Bomb(tmp_path / "ran")}, tmp_path / "bomb.pth"
    )
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": _Bomb(tmp_path / "ran")}))
    for name in ("bomb.pth", "plain.pth"):
        flags = ("--methods", "san", "--weights", tmp_path / name, "--out", tmp_path / "r", "--limit", 1)
        answer = here(capsys, "run", *flags)
        assert answer.code == 3
        assert name in answer.err
    assert not (tmp_path / "ran").exists()


def test_an_unwritable_folder_is_refused_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    answer = here(capsys, "run", "--methods", "maskclip", "--out", tmp_path / "file" / "r")
    assert answer.code == 4
    assert "--out" in answer.err


@pytest.mark.usefixtures("faulty")
def test_a_full_disk_keeps_the_record_written_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a real full file system: a tmpfs with room for one record, where the system lets us mount one."""
    here(capsys, "run", "--methods", "faulty/none", "--limit", 8, "--out", tmp_path / "plain", "--json")
    (record,) = (path.stat().st_size for path in (tmp_path / "plain" / "records").rglob("*.json"))
    # In whole blocks: a record, which differs by some bytes from run to run, two journals, the list of what belongs to the run.
    room = ((record + 1024) // 4096 + 1 + 3) * 4096
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(small)]
    mounted = subprocess.run(mount, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        answer = here(capsys, "run", "--methods", "faulty/none,maskclip", "--limit", 8, "--out", small)
        assert answer.code == 4, answer.err
        assert "free room" in answer.err
        assert "Traceback" not in answer.err
        records, skipped = RecordStore(small).read_all()
        assert [record.label for record in records] == ["faulty/none"]
        assert skipped == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
