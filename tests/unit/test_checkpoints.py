"""Checkpoints: nothing runs, nothing is half loaded, and each bad file has its one clear error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from faulty_method import register
from safetensors.torch import save_file
from torch import nn

from benchbed import load_method
from benchbed.checkpoints import assign, read_tensors, weights_digest
from benchbed.errors import CheckpointError

TENSORS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


class Bomb:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_tensors_are_found_below_the_usual_wrappers(tmp_path: Path, wrapper: str | None) -> None:
    path = tmp_path / "c.pth"
    torch.save({wrapper: TENSORS, "iteration": 7} if wrapper else TENSORS, path)
    assert set(read_tensors(path)) == {"weight", "bias"}


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_file(TENSORS, path)
    assert torch.equal(read_tensors(path)["weight"], TENSORS["weight"])


def test_pickled_code_is_refused_and_never_runs(tmp_path: Path) -> None:
    path, mark = tmp_path / "c.pth", tmp_path / "it-ran"
    torch.save({"model": TENSORS, "extra": Bomb(mark)}, path)
    with pytest.raises(CheckpointError, match=r"c\.pth: refused.*run code"):
        read_tensors(path)
    assert not mark.exists()


def test_torchscript_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-16.pt"
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(CheckpointError, match=r"TorchScript.*safetensors"):
        read_tensors(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_one_clear_error(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"c{suffix}"
    if suffix == ".pth":
        torch.save({"model": {"weight": torch.randn(100, 100)}}, path)
    else:
        save_file({"weight": torch.randn(100, 100)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(CheckpointError, match=f"c{suffix}.*fetch it again"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x02}q\x00."])
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"c\.pth"):
        read_tensors(path)


def test_a_missing_file_and_one_without_tensors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_tensors(tmp_path / "none.pth")
    torch.save({"model": {"step": 3}}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        read_tensors(tmp_path / "empty.pth")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bias": None}, "lacks bias"),
        ({"other": torch.ones(1)}, "has unknown other"),
        ({"weight": torch.ones(3, 3)}, r"another size: weight \(3, 3\) \(expected \(2, 3\)\)"),
        ({"bias": torch.tensor([float("nan"), 0.0])}, "NaN or Inf in bias"),
    ],
)
def test_assigning_is_all_or_nothing(change: dict[str, torch.Tensor | None], says: str) -> None:
    module = nn.Linear(3, 2)
    before = weights_digest(module)
    tensors = {name: value for name, value in {**TENSORS, **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=says):
        assign(module, tensors)
    assert weights_digest(module) == before


def test_assigning_says_what_was_used_and_what_ignored() -> None:
    module = nn.Linear(3, 2)
    conversion = assign(module, {n: t.half() for n, t in TENSORS.items()}, {"criterion": "training only"})
    assert conversion.used == ("weight", "bias")
    assert conversion.ignored == {"criterion": "training only"}
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, TENSORS["weight"])


def test_the_digest_sees_every_value() -> None:
    module = nn.Linear(3, 2)
    before = weights_digest(module)
    with torch.no_grad():
        module.bias[1] += 1e-6
    assert weights_digest(module) != before


@pytest.mark.parametrize("method", ["san", "deop", "maskclip"])
def test_a_checkpoint_of_another_method_is_refused_by_name(tmp_path: Path, method: str) -> None:
    path = tmp_path / "other.pth"
    torch.save({"model": {"backbone.conv1.weight": torch.randn(4, 3, 3, 3)}}, path)
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        load_method(method, checkpoint=path)


@pytest.mark.parametrize("method", ["san", "deop", "maskclip"])
def test_a_checkpoint_of_another_size_is_refused(tmp_path: Path, method: str) -> None:
    torch.manual_seed(0)
    tiny = load_method(f"{method}/tiny")
    path = tmp_path / "tiny.pth"
    torch.save({"model": tiny.state_dict()}, path)
    full = {"san": "vit-b16", "deop": "r101c-vit-b16", "maskclip": "vit-b16"}[method]
    with pytest.raises(CheckpointError, match=r"tiny\.pth"):
        load_method(f"{method}/{full}", checkpoint=path)


def test_a_method_without_a_loader_takes_tensors_of_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    torch.manual_seed(1)
    made = load_method("faulty/none")
    torch.save({"model": made.state_dict()}, tmp_path / "own.pth")
    loaded = load_method("faulty/none", checkpoint=tmp_path / "own.pth")
    assert weights_digest(loaded) == weights_digest(made)
    torch.save({"model": {"other": torch.ones(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: the checkpoint lacks"):
        load_method("faulty/none", checkpoint=tmp_path / "other.pth")
