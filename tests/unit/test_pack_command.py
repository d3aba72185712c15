"""`benchbed pack`: from a finished training's folder to the file that ships, and back into the method."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import benchbed.packaged_weights
import benchbed.training.packing
from benchbed.cli import run_cli
from benchbed.clip import ImageTower, TextTower
from benchbed.clip_sizes import TINY
from benchbed.clip_weights import take_clip, write_clip
from benchbed.packaged_weights import unpack
from benchbed.registry import choose, resolve
from benchbed.segmenter import Segmenter
from benchbed.shipped_file import file_sha256, narrow, read_header
from benchbed.training.checkpoint import write_checkpoint

FACTS: dict[str, Any] = {
    "method": "spnet/tiny",
    "dataset": {"name": "shapes"},
    "recipe": {"stages": []},
    "seed": 3,
    "amp": False,
    "command": "benchbed train --method spnet/tiny --seed 3",
    "init": {},
    "bench": {},
    "torch": "2",
}


MINE = "benchbed train --out '/home/me/my own' --data-root /home/me/VOC --init clip=/home/c.safetensors,backbone=random --seed 3"


def random_clip(path: Path, seed: int) -> Path:
    """A CLIP of the size of `shapes`."""
    torch.manual_seed(seed)
    visual = {f"visual.{name}": value for name, value in ImageTower(TINY).state_dict().items()}
    scale = {"logit_scale": torch.tensor(math.log(17.0))}
    write_clip(path, {**visual, **TextTower(TINY).state_dict(), **scale}, range(49300, 49408), {})
    return path


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CLIP that ships, for this test."""
    path = random_clip(tmp_path / "clip-shapes.safetensors", 5)
    for module in (benchbed.packaged_weights, benchbed.training.packing):
        monkeypatch.setattr(module, "shapes_clip_path", lambda: path)
    return path


def spnet() -> Segmenter:
    """With random weights."""
    variant = choose("spnet/tiny").variant
    segmenter: Segmenter = resolve(variant.build)(**variant.config)
    return segmenter


def trained(folder: Path, clip: Path, **facts: Any) -> Segmenter:
    """Leave in a folder what `benchbed train` leaves."""
    segmenter = spnet()
    take_clip(segmenter, clip)
    write_checkpoint(folder / "final.safetensors", segmenter.state_dict(), {**FACTS, **facts})
    return segmenter


def test_what_was_trained_comes_back(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segmenter, target = trained(tmp_path / "t", clip), tmp_path / "out" / "tiny.safetensors"
    assert run_cli(["pack", str(tmp_path / "t"), "--to", str(target)]) == 0
    assert file_sha256(target) in capsys.readouterr().out
    back = spnet()
    header = unpack(target, back)
    assert header == read_header(target)
    assert {name: header[name] for name in FACTS} == FACTS
    for name, value in back.state_dict().items():
        assert value.equal(narrow(segmenter.state_dict()[name]).to(value.dtype)), name


def test_what_ships_names_nobodys_folders(clip: Path, tmp_path: Path) -> None:
    trained(tmp_path / "t", clip, command=MINE)
    assert run_cli(["pack", str(tmp_path / "t"), "--to", str(tmp_path / "tiny.safetensors")]) == 0
    assert (
        read_header(tmp_path / "tiny.safetensors")["command"]
        == "benchbed train --init clip=c.safetensors,backbone=random --seed 3"
    )


def test_by_default_they_go_where_the_card_says(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "t", clip)
    chosen = choose("spnet/tiny")
    card = replace(chosen.variant, packaged=f"methods.spnet:{tmp_path / 'weights' / 'tiny.safetensors'}")
    method = replace(chosen.method, variants=(card,))
    monkeypatch.setattr(
        benchbed.training.packing,
        "choose",
        lambda _: replace(chosen, variant=card, found=replace(chosen.found, object=method)),
    )
    assert run_cli(["pack", str(tmp_path / "t")]) == 0
    assert (tmp_path / "weights" / "tiny.safetensors").is_file()


def test_a_clip_goes_where_the_bench_looks_for_it(clip: Path, tmp_path: Path) -> None:
    other = random_clip(tmp_path / "other.safetensors", 6)
    folder = tmp_path / "c"
    write_checkpoint(folder / "final.safetensors", {"x": torch.zeros(1)}, {"clip": "shapes"})
    (folder / "final.safetensors").write_bytes(other.read_bytes())
    assert run_cli(["pack", str(folder)]) == 3, "its SHA-256 is not the JSON's"
    facts = (folder / "final.json").read_text()
    old = facts.split('"sha256": "')[1][:64]
    (folder / "final.json").write_text(facts.replace(old, file_sha256(other)))
    assert run_cli(["pack", str(folder)]) == 0
    assert clip.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"method": "lseg/tiny"}, "the checkpoint lacks"),
        ({"method": "spnet/tinny"}, "tinny"),
    ],
)
def test_weights_of_another_variant_are_refused(
    facts: dict[str, str], says: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "t", clip, **facts)
    assert run_cli(["pack", str(tmp_path / "t"), "--to", str(tmp_path / "w")]) in (2, 3)
    assert says in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_weights_around_another_clip_are_refused(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "t", random_clip(tmp_path / "other.safetensors", 6))
    assert run_cli(["pack", str(tmp_path / "t"), "--to", str(tmp_path / "w")]) == 3
    assert "is not the CLIP that SPNet was trained around" in capsys.readouterr().err


def test_an_unfinished_training_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["pack", str(tmp_path)]) == 3
    assert "no finished training" in capsys.readouterr().err
