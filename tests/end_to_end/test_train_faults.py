"""`benchbed train` when something goes wrong: the right code, one clear sentence, nothing lost."""

from __future__ import annotations

import errno
import json
import resource
import signal
from pathlib import Path

import pytest
from command import Answer, here
from training_plugin import Few, register

from benchbed.training import checkpoint, loss_log
from benchbed.training.state import newest_state


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def train(capsys: pytest.CaptureFixture[str], variant: str, out: Path, *flags: object) -> Answer:
    """Train a pupil on the dozen images."""
    return here(capsys, "train", "--method", f"pupil/{variant}", "--dataset", "few", "--out", out, *flags)


def one_line(answer: Answer, code: int, *words: str) -> None:
    """The last line on stderr is the error, and says these."""
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    last = answer.err.strip().splitlines()[-1]
    assert last.startswith("benchbed: ")
    for word in words:
        assert word in last, last


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--method", "pupil/none", "--dataset", "few"), 2, ("unknown variant", "pupil/plain")),
        (("--method", "pupill", "--dataset", "few"), 2, ("unknown method", "pupil")),
        (("--method", "pupil", "--dataset", "fex"), 2, ("unknown dataset", "few")),
        (("--method", "pupil", "--dataset", "valonly"), 2, ("recipe", "few")),
        (("--method", "maskclip", "--dataset", "shapes"), 2, ("maskclip", "no training recipe")),
        (("--method", "pupil", "--dataset", "few", "--iterations", "0"), 2, ("--iterations 0", "1 or more")),
        (("--method", "pupil", "--dataset", "few", "--seed", "-1"), 2, ("--seed -1",)),
        (("--method", "pupil", "--dataset", "few", "--val-limit", "3"), 2, ("--val-every",)),
        (("--method", "pupil", "--dataset", "few", "--device", "gpu"), 2, ("--device gpu",)),
        (("--method", "pupil", "--dataset", "few", "--init", "clip"), 2, ("--init 'clip'", "clip=PATH")),
        (("--method", "pupil", "--dataset", "few", "--init", "all=x,clip=random"), 2, ("all=",)),
        (("--method", "pupil", "--dataset", "few", "--init", "all=/no/such"), 3, ("/no/such",)),
        (("--method", "pupil/no-such-part", "--dataset", "few"), 2, ("'tail.'", "Pupil")),
        (("--method", "pupil"), 2, ("--dataset",)),
    ],
)
def test_what_cannot_be_trained_is_refused(
    flags: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one_line(here(capsys, "train", *flags, "--out", tmp_path / "out"), code, *words)


def test_a_dataset_without_a_training_split_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import training_plugin

    anywhere = training_plugin.recipe("plain", "few")
    monkeypatch.setattr(training_plugin, "recipe", lambda variant, dataset: replace(anywhere))
    answer = here(capsys, "train", "--method", "pupil", "--dataset", "valonly", "--out", tmp_path)
    one_line(answer, 2, "valonly", "no training split")


def test_a_loss_that_is_no_number_stops_it_and_keeps_the_last_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = train(capsys, "nan", tmp_path, "--save-every", 2)
    one_line(answer, 4, "'all'", "iteration 3", "nan")
    state = newest_state(tmp_path)
    assert state is not None
    assert state.position.done == 2
    assert all(tensor.isfinite().all() for tensor in state.model.values() if tensor.is_floating_point())


def test_a_folder_in_use_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(capsys, "plain", tmp_path).code == 0
    before = (tmp_path / "final.safetensors").read_bytes()
    one_line(train(capsys, "plain", tmp_path), 2, str(tmp_path), "finished", "--resume")
    one_line(train(capsys, "even", tmp_path), 2, "--resume")
    finished = train(capsys, "plain", tmp_path, "--resume")
    assert finished.code == 0
    assert "finished already" in finished.err
    assert (tmp_path / "final.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("variant", "flags", "words"),
    [
        ("plain", ("--seed", 5), ("--seed was 0 and is 5",)),
        ("plain", ("--amp",), ("--amp was False and is True",)),
        ("plain", ("--iterations", 3), ("--iterations was None and is 3",)),
        ("even", (), ("--method was pupil/plain and is pupil/even",)),
    ],
)
def test_another_training_is_not_resumed(
    variant: str,
    flags: tuple[object, ...],
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUPIL_SIGNAL", f"{int(signal.SIGINT)}@2")
    train(capsys, "plain", tmp_path)
    monkeypatch.delenv("PUPIL_SIGNAL")
    one_line(train(capsys, variant, tmp_path, *flags, "--resume"), 2, str(tmp_path), *words)


def test_nothing_to_resume_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = train(capsys, "plain", tmp_path / "new", "--resume", "--iterations", 2)
    assert answer.code == 0
    assert "nothing to resume" in answer.err


def test_a_damaged_state_gives_way_to_the_one_before_or_to_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPIL_SIGNAL", f"{int(signal.SIGINT)}@2")
    train(capsys, "plain", tmp_path)
    monkeypatch.delenv("PUPIL_SIGNAL")
    newest = next(tmp_path.glob("state-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-8])
    one_line(train(capsys, "plain", tmp_path, "--resume"), 3, newest.name, "damaged")


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    one_line(train(capsys, "plain", tmp_path / "file" / "out"), 4, "file/out", "--out")


def test_a_full_disk_keeps_the_state_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.save_file

    def fails_later(tensors: dict[str, object], path: Path) -> None:
        if tmp_path.joinpath("state-00-00000004.safetensors").exists():
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", fails_later)
    one_line(
        train(capsys, "plain", tmp_path, "--save-every", 2), 4, "state-00-00000006", "No space left", "--out"
    )
    assert sorted(path.name for path in tmp_path.glob("*state*")) == [
        "state-00-00000004.json",
        "state-00-00000004.safetensors",
    ]
    assert not list(tmp_path.glob(".*.part"))
    monkeypatch.setattr(checkpoint, "save_file", saved)
    assert train(capsys, "plain", tmp_path, "--save-every", 2, "--resume").code == 0


def test_a_file_system_that_takes_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit on the size of files, set by the kernel, stands for a full disk: 8 KiB hold the JSON but no weights."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        answer = train(capsys, "plain", tmp_path, "--save-every", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    one_line(answer, 4, "cannot be written", "File too large")
    assert not list(tmp_path.glob("*state*"))
    assert not list(tmp_path.glob(".*.part"))


def test_losses_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loss_log, "write_whole", full)
    one_line(train(capsys, "plain", tmp_path), 4, "losses.jsonl", "No space left")


def test_a_bad_image_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Few, "damaged", 7)
    one_line(train(capsys, "plain", tmp_path), 3, "image7: damaged")


def test_processes_that_cannot_share_a_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "3", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    one_line(train(capsys, "plain", tmp_path), 2, "batch of 4", "3 processes")
    monkeypatch.setenv("RANK", "")
    one_line(train(capsys, "plain", tmp_path), 2, "RANK=''", "torchrun")


def test_json_is_all_that_stdout_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = train(capsys, "plain", tmp_path, "--iterations", 2, "--json")
    content = json.loads(answer.out)
    assert content["weights"] == str(tmp_path / "final.safetensors")
