"""`benchbed train` as a person uses it, on a method and a dataset that train in a second."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest
import torch
from child_process import ended, in_child
from command import Answer, here
from safetensors.torch import load_file, save_file
from torch import Tensor
from training_plugin import Pupil, register

FINAL = "final.safetensors"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def train(capsys: pytest.CaptureFixture[str], variant: str, out: Path, *flags: object) -> Answer:
    """Train a pupil on the dozen images."""
    return here(capsys, "train", "--method", f"pupil/{variant}", "--dataset", "few", "--out", out, *flags)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_leaves_weights_their_json_losses_and_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--val-every", 3, "--val-limit", 5, "--seed", 3)
    answer = train(capsys, "two", tmp_path, *flags)
    assert answer.code == 0, answer.err
    assert str(tmp_path / FINAL) in answer.out
    facts = json.loads((tmp_path / "final.json").read_text())
    assert facts["sha256"] == hashlib.sha256((tmp_path / FINAL).read_bytes()).hexdigest()
    assert [stage["name"] for stage in facts["recipe"]["stages"]] == ["head", "all"]
    assert (facts["seed"], facts["iterations"], facts["method"]) == (3, 13, "pupil/two")
    assert facts["dataset"]["seen"] == ["ash", "birch", "date"]
    assert facts["dataset"]["identity"] == "few-1"
    assert facts["command"].startswith("benchbed train --method pupil/two --dataset few")
    assert {"bench", "torch", "threads", "losses", "init"} <= facts.keys()
    lines = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    losses = [line["losses"]["loss"] for line in lines if "losses" in line]
    assert len(losses) == 13
    assert losses[-1] < 0.5 * losses[0]
    assert [(line["stage"], line["iteration"]) for line in lines if "validation" in line] == [
        (0, 3),
        (0, 5),
        (1, 3),
        (1, 6),
        (1, 8),
    ]
    assert (tmp_path / "curves.csv").read_text().count("\n") == 14
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("state-*"))


def test_the_first_stage_is_kept_and_the_second_one_starts_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "two", tmp_path)
    between, final = load_file(tmp_path / "stage-1-head.safetensors"), load_file(tmp_path / FINAL)
    assert not torch.equal(between["backbone.0.weight"], final["backbone.0.weight"])
    assert torch.equal(between["unused.weight"], final["unused.weight"])
    train(capsys, "two", tmp_path / "again", "--iterations", 5)
    again = load_file(tmp_path / "again" / "stage-1-head.safetensors")
    assert same(between, again), "the first stage does not depend on the second one"


def test_what_was_trained_can_be_measured_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validated = train(capsys, "plain", tmp_path / "w", "--val-every", 8)
    weights = f"pupil/plain={tmp_path / 'w' / FINAL}"
    flags = (
        "--methods",
        "pupil/plain",
        "--dataset",
        "few",
        "--weights",
        weights,
        "--out",
        tmp_path / "r",
        "--json",
    )
    answer = here(capsys, "run", *flags)
    assert answer.code == 0, answer.err
    record = json.loads(answer.out)["records"][0]
    found, training = record["accuracy"], record["weights"]["training"]
    assert (training["dataset"], training["seed"]) == ("few", 0)
    assert "seed 0" in record["weights"]["trained_on"]
    log = [json.loads(line) for line in (tmp_path / "w" / "losses.jsonl").read_text().splitlines()]
    last = log[-1]["validation"]
    assert found["hiou"]["value"] == pytest.approx(last["hiou"])
    assert f"hiou {last['hiou']:.1f}" in validated.err


def test_weights_that_were_exchanged_have_no_known_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "plain", tmp_path / "w")
    final = tmp_path / "w" / FINAL
    tensors = load_file(final)
    save_file({name: value + 1 for name, value in tensors.items()}, final)
    flags = ("--methods", "pupil/plain", "--dataset", "few", "--out", tmp_path / "r", "--json")
    answer = here(capsys, "run", *flags, "--weights", f"pupil/plain={final}")
    weights = json.loads(answer.out)["records"][0]["weights"]
    assert weights["training"] is None
    assert weights["trained_on"] == "unknown: a file of the user's"


@pytest.mark.parametrize(("variant", "moments"), [("two", (2, 5, 9)), ("objects", (3,))])
def test_interrupted_by_ctrl_c_and_resumed_it_ends_with_the_same_weights(
    variant: str,
    moments: tuple[int, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = ("--val-every", 3, "--val-limit", 2)
    assert train(capsys, variant, tmp_path / "whole", *flags).code == 0
    for moment in moments:
        out = tmp_path / str(moment)
        monkeypatch.setenv("PUPIL_SIGNAL", f"{int(signal.SIGINT)}@{moment}")
        stopped = train(capsys, variant, out, *flags)
        monkeypatch.delenv("PUPIL_SIGNAL")
        assert stopped.code == 130
        assert "--resume" in stopped.err
        assert "Traceback" not in stopped.err
        assert len(list(out.glob("state-*.safetensors"))) == 1
        answer = train(capsys, variant, out, *flags, "--resume")
        assert answer.code == 0, answer.err
        assert same(load_file(tmp_path / "whole" / FINAL), load_file(out / FINAL))
        assert (out / "losses.jsonl").read_text() == (tmp_path / "whole" / "losses.jsonl").read_text()
        assert (out / "curves.csv").read_text() == (tmp_path / "whole" / "curves.csv").read_text()


def test_killed_and_resumed_it_ends_with_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "plain", tmp_path / "whole")
    out = tmp_path / "killed"
    killed = in_child(
        {"PUPIL_SIGNAL": f"{int(signal.SIGKILL)}@6"},
        *("train", "--method", "pupil/plain", "--dataset", "few", "--out", out, "--save-every", 3),
    )
    assert ended([killed]) == [-signal.SIGKILL]
    assert [path.name for path in out.glob("state-*.safetensors")] == ["state-00-00000003.safetensors"]
    assert len((out / "losses.jsonl").read_text().splitlines()) == 5
    answer = train(capsys, "plain", out, "--save-every", 3, "--resume")
    assert answer.code == 0, answer.err
    assert "after iteration 3" in answer.err
    assert same(load_file(tmp_path / "whole" / FINAL), load_file(out / FINAL))
    assert (out / "losses.jsonl").read_text() == (tmp_path / "whole" / "losses.jsonl").read_text()


def test_nothing_that_is_written_is_a_pickle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPIL_SIGNAL", f"{int(signal.SIGINT)}@7")
    train(capsys, "two", tmp_path)
    names = {path.suffix for path in tmp_path.iterdir()}
    assert names <= {".safetensors", ".json", ".jsonl", ""}, names
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text())


def test_the_weights_depend_on_the_seed_and_on_nothing_but_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, flags in {"a": (), "b": ("--workers", 1, "--val-every", 2), "c": ("--seed", 1)}.items():
        torch.rand(len(name) * 7)
        assert train(capsys, "plain", tmp_path / name, "--iterations", 4, *flags).code == 0
    first, again, other = (load_file(tmp_path / name / FINAL) for name in "abc")
    assert same(first, again), "neither validation nor loading workers touch the training"
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_text_that_is_not_trained_is_encoded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Pupil.encodings = 0
    train(capsys, "plain", tmp_path)
    assert Pupil.encodings == 1


def test_mixed_precision_trains_and_is_another_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "plain", tmp_path / "full")
    assert train(capsys, "plain", tmp_path / "amp", "--amp").code == 0
    full, amp = (load_file(tmp_path / name / FINAL) for name in ("full", "amp"))
    assert all(value.dtype == full[name].dtype for name, value in amp.items())
    assert not torch.equal(full["head.weight"], amp["head.weight"])
    torch.testing.assert_close(amp["head.weight"], full["head.weight"], rtol=0, atol=0.05)


def test_a_dry_run_shows_the_stages_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = train(capsys, "two", tmp_path / "none", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    plan = json.loads(answer.out)
    assert [stage["stage"] for stage in plan["stages"]] == ["head", "all"]
    head, both = (stage["trained"] for stage in plan["stages"])
    assert head == 16 * 16 * 9 + 16 + 12
    assert both == head + 16 * 3 * 16 + 16 + 32
    assert not (tmp_path / "none").exists()
    assert "head" in train(capsys, "two", tmp_path / "none", "--dry-run").out
