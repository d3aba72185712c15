"""One training in two processes, over gloo."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from child_process import START_METHOD, ended, in_child, registered_cli, together
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def train(variant: str, out: Path, *flags: object) -> tuple[object, ...]:
    """A command line."""
    return ("train", "--method", f"pupil/{variant}", "--dataset", "few", "--out", out, *flags)


def final(folder: Path) -> dict[str, Tensor]:
    """The last weights."""
    return dict(load_file(folder / "final.safetensors"))


def test_both_have_the_same_weights_and_agree_with_one_process(tmp_path: Path) -> None:
    assert ended([in_child({}, *train("even", tmp_path / "one"))]) == [0]
    assert together(tmp_path, 2, {}, *train("even", tmp_path / "two")) == [0, 0]
    first, second = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    together_, alone = final(tmp_path / "two"), final(tmp_path / "one")
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name, value in together_.items():
        assert torch.equal(value, first[name])
        torch.testing.assert_close(value, alone[name], rtol=1e-4, atol=1e-5)
    losses = [(tmp_path / name / "losses.jsonl").read_text().splitlines() for name in ("one", "two")]
    for one, two in zip(*losses, strict=True):
        assert json.loads(one)["losses"]["loss"] == pytest.approx(json.loads(two)["losses"]["loss"], rel=1e-4)


def test_a_signal_to_one_stops_both_and_they_go_on_to_the_same_weights(tmp_path: Path) -> None:
    stop = {"PUPIL_SIGNAL": f"{int(signal.SIGTERM)}@4:1"}
    assert together(tmp_path, 2, {}, *train("plain", tmp_path / "whole")) == [0, 0]
    assert together(tmp_path, 2, stop, *train("plain", tmp_path / "parts")) == [130, 130]
    assert [path.name for path in (tmp_path / "parts").glob("state-*.json")] == ["state-00-00000004.json"]
    assert together(tmp_path, 2, {}, *train("plain", tmp_path / "parts", "--resume")) == [0, 0]
    whole, parts = final(tmp_path / "whole"), final(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_loss_that_is_no_number_in_one_stops_both(tmp_path: Path) -> None:
    assert together(tmp_path, 2, {}, *train("nan", tmp_path / "out")) == [4, 4]


def test_torchrun_starts_them(tmp_path: Path) -> None:
    """torchrun's own launcher, with processes that have imported everything already."""
    flags = train("even", tmp_path / "out", "--iterations", 2, "--device", "cpu")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method=START_METHOD,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(log_dir=str(tmp_path / "logs"), redirects=Std.OUT),
    )
    codes = elastic_launch(config, registered_cli)([str(flag) for flag in flags])
    assert codes == {0: 0, 1: 0}
    assert json.loads((tmp_path / "out" / "final.json").read_text())["processes"] == 2
    said = [path.read_text() for path in (tmp_path / "logs").rglob("stdout.log")]
    assert len(said) == 2
    assert "".join(said).count("weights:") == 1, "one of them speaks"
