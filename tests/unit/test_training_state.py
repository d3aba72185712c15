"""Checkpoints, states and the loss log on disk: whole or not at all, and back to the last bit."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from benchbed.errors import CheckpointError, StoreError
from benchbed.trained_config import KIND, trained_config
from benchbed.training import checkpoint as checkpoints
from benchbed.training.checkpoint import read_checkpoint, read_facts, write_checkpoint
from benchbed.training.loss_log import LossLog, read_log
from benchbed.training.mixed_precision import optimiser_wrapper
from benchbed.training.recipe import Optimiser, ParameterGroup
from benchbed.training.state import Position, newest_state, restore_optimiser, save_state, state_files


def model(seed: int = 0) -> nn.Module:
    """With a batch norm, for its integer buffer, and a tied weight."""
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    made.register_parameter("tied", made[0].weight)
    return made


def wrapped(of: nn.Module, name: str = "AdamW") -> OptimWrapper:
    """An optimiser of two groups."""
    groups = (ParameterGroup("norm", decay=0.0),)
    return optimiser_wrapper(of, Optimiser(name, 0.1, 0.1, groups=groups), False, torch.device("cpu"))  # type: ignore[arg-type]


def step(of: nn.Module, optimiser: OptimWrapper, seed: int) -> None:
    """One step on noise."""
    torch.manual_seed(seed)
    optimiser.update_params(of(torch.randn(8, 4)).square().mean())


@pytest.mark.parametrize("name", ["AdamW", "Adam", "SGD"])
@pytest.mark.parametrize("seed", range(3))
def test_a_state_brings_model_and_optimiser_back_to_the_last_bit(
    name: str, seed: int, tmp_path: Path
) -> None:
    first = model(seed)
    optimiser = wrapped(first, name)
    for number in range(3):
        step(first, optimiser, number)
    save_state(tmp_path, Position(1, 3), first, optimiser, {"log": {}})
    state = newest_state(tmp_path)
    assert state is not None
    assert state.position == Position(1, 3)
    second = model(seed + 100)
    other = wrapped(second, name)
    second.load_state_dict(state.model)
    restore_optimiser(other, state)
    for number in range(3, 6):
        step(first, optimiser, number)
        step(second, other, number)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_the_state_before_goes_only_when_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model()
    save_state(tmp_path, Position(0, 1), made, wrapped(made), {})

    def torn(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_whole", torn)
        with pytest.raises(StoreError, match="No space left"):
            save_state(tmp_path, Position(0, 2), made, wrapped(made), {})
    assert [path.name for path in state_files(tmp_path)] == ["state-00-00000001.safetensors"]
    found = newest_state(tmp_path)
    assert found is not None
    assert found.position == Position(0, 1)
    save_state(tmp_path, Position(0, 3), made, wrapped(made), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state-00-00000003.json",
        "state-00-00000003.safetensors",
    ]


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path) -> None:
    made = model()
    save_state(tmp_path / "old", Position(0, 1), made, wrapped(made), {})
    save_state(tmp_path, Position(0, 2), made, wrapped(made), {})
    for path in (tmp_path / "old").iterdir():
        path.rename(tmp_path / path.name)
    newest = tmp_path / Position(0, 2).file
    newest.write_bytes(newest.read_bytes()[:-1] + b"\xff")
    found = newest_state(tmp_path)
    assert found is not None
    assert found.position == Position(0, 1)
    (tmp_path / Position(0, 1).file).unlink()
    with pytest.raises(CheckpointError, match=r"state-00-00000002.*damaged"):
        newest_state(tmp_path)


def test_no_state_is_none(tmp_path: Path) -> None:
    assert newest_state(tmp_path) is None


def test_a_state_of_other_parameters_is_refused(tmp_path: Path) -> None:
    made = model()
    optimiser = wrapped(made)
    step(made, optimiser, 0)
    save_state(tmp_path, Position(0, 1), made, optimiser, {})
    state = newest_state(tmp_path)
    assert state is not None
    with pytest.raises(CheckpointError, match=r"1\.bias"):
        restore_optimiser(wrapped(nn.Sequential(nn.Linear(4, 4))), state)


def test_facts_say_what_the_tensors_are_and_the_header_alone_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_checkpoint(path, {"a": torch.arange(3)}, {"seed": 4})
    tensors, facts = read_checkpoint(path)
    assert tensors["a"].tolist() == [0, 1, 2]
    assert (facts["seed"], facts["file"]) == (4, path.name)
    path.with_suffix(".json").write_text('{"kind": "other"}')
    with pytest.raises(CheckpointError, match="not written by benchbed train"):
        read_facts(path)
    path.with_suffix(".json").write_text(json.dumps({"kind": KIND, "schema": 99}))
    with pytest.raises(CheckpointError, match="layout 99"):
        read_facts(path)
    path.with_suffix(".json").write_text('{"kind"')
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_facts(path)


def test_the_keywords_of_a_training_are_found_beside_its_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_checkpoint(
        path, {"a": torch.zeros(1)}, {"config": {"templates": [["a {}"], "b"], "sizes": {"x": [1]}, "n": 2}}
    )
    assert trained_config(path) == {"templates": (("a {}",), "b"), "sizes": {"x": (1,)}, "n": 2}
    path.rename(tmp_path / "v.safetensors")
    path.with_suffix(".json").rename(tmp_path / "v.json")
    assert trained_config(tmp_path / "v.safetensors") == {}, "a JSON of another file"
    assert trained_config(None) == trained_config(path) == {}
    path.with_suffix(".json").write_text("[1")
    assert trained_config(path) == {}


def test_the_loss_log_means_lines_and_going_on(tmp_path: Path) -> None:
    values = [float(number**2) for number in range(10)]
    whole = LossLog(tmp_path / "whole", every=4)
    parts = LossLog(tmp_path / "parts", every=4)
    for log in (whole, parts):
        log.path.parent.mkdir()
        log.start(None)
    for number, value in enumerate(values, 1):
        whole.add(Position(0, number), {"loss": value}, 0.1, number == 10)
    means = [row["losses"]["loss"] for row in read_log(whole.path)]
    assert means == [sum(values[:4]) / 4, sum(values[4:8]) / 4, sum(values[8:]) / 2]
    for number, value in enumerate(values[:6], 1):
        parts.add(Position(0, number), {"loss": value}, 0.1, False)
    pending = parts.pending
    for number, value in enumerate(values[6:9], 7):  # lost: after the state
        parts.add(Position(0, number), {"loss": value}, 0.1, False)
    with parts.path.open("a") as file:
        file.write('{"stage": 0, "iter')  # torn
    again = LossLog(tmp_path / "parts", every=4)
    again.start(Position(0, 6), pending)
    for number, value in enumerate(values[6:], 7):
        again.add(Position(0, number), {"loss": value}, 0.1, number == 10)
    assert again.path.read_text() == whole.path.read_text()


def test_a_reader_never_sees_a_half_written_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_checkpoint(path, {"a": torch.zeros(50_000)}, {})
    stop, sizes = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            sizes.append(path.stat().st_size)
            time.sleep(0)  # or the writer waits for the interpreter at each of its steps

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(8):
        write_checkpoint(path, {"a": torch.full((50_000,), float(number))}, {})
    stop.set()
    reader.join()
    assert sizes
    assert min(sizes) > 200_000
