"""`benchbed run` on bad files, without memory, without room, killed: it goes on or says why, and never counts twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import Answer, here
from faulty_method import register
from kill_often import kill_often, summary
from light_data import light_data

from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.runner import RecordStore as RunnersStore

IMAGES = 12
Run = Callable[..., Answer]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve tiny images, `faulty` registered, decoded ground truth kept below `tmp_path`."""
    register(monkeypatch)
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    return light_data(tmp_path / "data", IMAGES)


@pytest.fixture
def run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`benchbed run` on them with further flags."""

    def go(*flags: object, method: str = "faulty/none", out: Path = tmp_path / "out") -> Answer:
        return here(capsys, "run", "--methods", method, "--dataset", data, "--out", out, *flags)

    return go


def records(store: Path) -> list[Record]:
    found, skipped = RecordStore(store).read_all()
    assert skipped == []
    return found


def spoil(data: Path, *names: str) -> None:
    """A photo cut in half, a mask of foreign values, and so on in turn."""
    for turn, name in enumerate(names):
        path = (
            data.parent
            / ("photos" if turn % 2 == 0 else "labels")
            / f"{name}{'.jpg' if turn % 2 == 0 else '.png'}"
        )
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_corrupt_image_stops_the_method_and_keeps_what_was_counted(
    run: Run, data: Path, tmp_path: Path
) -> None:
    spoil(data, "00005")
    answer = run()
    assert answer.code == 3
    assert "00005.jpg is not a whole image" in answer.err
    (journal,) = (tmp_path / "out" / "partial").glob("*.jsonl")
    assert journal.read_text().count("\n") == 5


def test_corrupt_images_are_skipped_counted_and_shown_in_every_table(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(data, "00000", "00007", "00011")
    answer = run("--on-bad-image", "skip")
    assert answer.code == 0, answer.err
    assert answer.err.count("skipped: ") == 3
    (record,) = records(tmp_path / "out")
    assert record.counts is not None
    assert record.counts.num_images == record.dataset["images"] == IMAGES - 3
    assert record.dataset["skipped"] == ["00000", "00007", "00011"]
    assert record.dataset["coverage"] == f"9 of {IMAGES} images, 3 bad skipped"
    words = "3 bad images were skipped (00000, 00007, 00011): figures are of the other 9"
    tables = [part for part in answer.out.split("\n\n") if part.strip()]
    assert answer.out.replace("\n", " ").count("3 bad images were skipped") == 3  # accuracy, cost, stages
    assert tables
    shown = here(capsys, "show", record.id, "--out", tmp_path / "out")
    assert "3 bad skipped" in shown.out
    for form in ("markdown", "latex", "html", "csv"):
        text = here(capsys, "report", "--from", tmp_path / "out", "--format", form).out
        assert words in text.replace("\\_", "_"), form
    for table in ("zs3", "open-vocab", "efficiency"):
        text = here(
            capsys, "report", "--from", tmp_path / "out", "--format", "markdown", "--table", table
        ).out
        assert words in text, table


def test_records_that_skipped_other_images_never_share_a_table(run: Run, data: Path, tmp_path: Path) -> None:
    assert run().code == 0
    spoil(data, "00002")
    assert run("--on-bad-image", "skip", method="faulty/other").code == 0
    first, second = records(tmp_path / "out")
    assert first.group != second.group


def test_nothing_but_corrupt_images_is_an_error(run: Run, data: Path) -> None:
    spoil(data, *[f"{number:05d}" for number in range(IMAGES)])
    answer = run("--on-bad-image", "skip")
    assert answer.code == 3
    assert f"all {IMAGES} images are bad" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("flags", [("--on-bad-image", "ignore"), ("--batch", "0"), ("--batch", "few")])
def test_wrong_flags(run: Run, flags: tuple[str, ...]) -> None:
    answer = run(*flags)
    assert answer.code == 2
    assert flags[0] in answer.err


def test_out_of_memory_at_a_batch_takes_a_smaller_one_and_records_it(run: Run, tmp_path: Path) -> None:
    assert run("--batch", 4, method="faulty/two-fit").code == 0
    assert run(method="faulty/none").code == 0
    small, usual = records(tmp_path / "out")
    assert small.protocol["batch"] == 4
    assert small.protocol["resolved"]["counting"] == {"batch": 2, "out_of_memory": 1}
    assert any("out of memory 1 times" in text for text in small.warnings)
    assert usual.protocol["resolved"]["counting"] == {"batch": 1, "out_of_memory": 0}
    assert small.counts == usual.counts
    assert small.group != usual.group


def test_an_image_that_does_not_fit_alone_fails_its_method_alone(run: Run, tmp_path: Path) -> None:
    answer = run("--batch", 4, method="faulty/none-fits,faulty/none")
    assert answer.code == 4
    assert "out of memory" in answer.err
    assert [record.label for record in records(tmp_path / "out")] == ["faulty/none"]


def test_ground_truth_is_decoded_once_for_all_methods_and_runs(run: Run, tmp_path: Path) -> None:
    assert run(method="faulty/none,faulty/other").code == 0
    (kept,) = (tmp_path / "cache").rglob("*.jsonl")
    assert kept.read_text().count("\n") == IMAGES
    assert run().code == 0
    assert [path.name for path in (tmp_path / "cache").rglob("*.jsonl")] == [kept.name]
    first, second, again = records(tmp_path / "out")
    assert first.counts == second.counts == again.counts


def test_a_foreign_journal_is_named_and_skipped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchbed.accuracy_pass.journal_key", lambda subject: "mine")
    (tmp_path / "out" / "partial").mkdir(parents=True)
    (tmp_path / "out" / "partial" / "mine.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    answer = run()
    assert answer.code == 0
    assert "mine.jsonl: 10 bytes are torn or not of a journal: skipped" in answer.err


def test_what_an_interrupted_run_recorded_is_not_measured_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends between two records: the same command keeps the first and goes on with the second."""
    real, written = RunnersStore.write, []

    def write(self: RecordStore, record: Record) -> Path:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(record.label)
        return real(self, record)

    both = "faulty/none,faulty/other"
    with monkeypatch.context() as patch:
        patch.setattr(RunnersStore, "write", write)
        assert run(method=both).code == 130
    assert [record.label for record in records(tmp_path / "out")] == ["faulty/none"]
    answer = run("--json", method=both)
    assert answer.code == 0
    assert "faulty/none on tiny: recorded by an earlier, interrupted run" in answer.err
    assert f"faulty/other on tiny: going on after {IMAGES} images" in answer.err
    assert [each["label"] for each in json.loads(answer.out)["records"]] == ["faulty/none", "faulty/other"]
    assert [record.label for record in records(tmp_path / "out")] == ["faulty/none", "faulty/other"]
    assert list((tmp_path / "out" / "partial").iterdir()) == []
    assert run(method=both).code == 0  # a command that reached its end measures anew
    assert len(records(tmp_path / "out")) == 4


def test_a_record_that_was_announced_but_never_written_is_measured(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: RecordStore, record: Record) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunnersStore, "write", write)
        assert run().code == 130
    assert run().code == 0
    assert len(records(tmp_path / "out")) == 1


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes of its own, or a skip that says why not."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip() if done else 'not root'}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_store_is_refused_before_anything_is_measured(run: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        assert run(out=disk / "out").code == 0
        before = sorted(path for path in disk.rglob("*"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        answer = run(out=disk / "out")
        assert answer.code == 4
        assert "Read-only file system" in answer.err
        assert "--out" in answer.err
        assert "accuracy" not in answer.err
        assert sorted(path for path in disk.rglob("*")) == before
        assert len(records(disk / "out")) == 1


def test_a_disk_too_small_for_decoded_ground_truth_changes_nothing_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        monkeypatch.setenv("BENCHBED_CACHE", str(disk))
        answer = run()
        assert answer.code == 0
        assert "decoded ground truth is not kept" in answer.err
        assert list(disk.rglob("*.bin")) == [] or all(p.stat().st_size == 0 for p in disk.rglob("*.bin"))


def test_kill_9_again_and_again(tmp_path: Path) -> None:
    """Four kills; `kill_often.py` does fifty."""
    tally = kill_often(tmp_path, kills=4, images=40, seed=1)
    assert tally.wrong == [], summary(tally)
    assert sum(tally.kills.values()) == 4
    assert tally.campaigns >= 1
