"""What a training starts from, and what a segmenter is between two iterations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_plugin import ALL, DATASET, Few, Pupil, build, recipe

from benchbed.errors import CheckpointError, MissingError, UsageError
from benchbed.training import engine
from benchbed.training.initial_weights import InitialWeights, initial_weights
from benchbed.training.lesson import Lesson
from benchbed.training.plan import make_plan
from benchbed.training.processes import Processes
from benchbed.training.recipe import Recipe
from benchbed.training.request import TrainRequest
from benchbed.training.seeds import sow
from benchbed.training.stopping import StopRequest
from benchbed.training.validation import Validation

STARTS = Recipe((ALL,), "ours", clip="some-clip.safetensors", backbone="some-backbone.safetensors")


def test_a_backbone_is_filled_by_name_and_a_head_left_out(tmp_path: Path) -> None:
    torch.manual_seed(1)
    wanted = build().backbone.state_dict()
    path = tmp_path / "backbone.safetensors"
    counted = {name: value for name, value in wanted.items() if "num_batches" not in name}
    save_file(
        {f"backbone.{name}": value for name, value in counted.items()} | {"fc.weight": torch.zeros(2)}, path
    )
    pupil = build()
    InitialWeights(backbone=path).give(pupil)
    assert all(torch.equal(value, wanted[name]) for name, value in pupil.backbone.state_dict().items())
    save_file({"other.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"cannot be the backbone: .*lacks 0\.bias"):
        InitialWeights(backbone=path).give(pupil)


def test_all_weights_at_once(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = build()
    path = tmp_path / "all.safetensors"
    save_file(first.state_dict(), path)
    second = build()
    InitialWeights(whole=path).give(second)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in load_file(path).items())
    assert InitialWeights(whole=path).as_dict()["all"]["file"] == "all.safetensors"


def test_unnamed_parts_are_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBED_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingError, match=r"some-clip.*--init clip=PATH.*clip=random"):
        initial_weights("", STARTS)
    for name in ("some-clip.safetensors", "some-backbone.safetensors", "mine.safetensors"):
        save_file({"x": torch.zeros(1)}, tmp_path / name)
    found = initial_weights("", STARTS)
    assert (found.clip, found.backbone) == (tmp_path / STARTS.clip, tmp_path / STARTS.backbone)
    found = initial_weights(f"clip=random,backbone={tmp_path / 'mine.safetensors'}", STARTS)
    assert (found.clip, found.backbone) == (None, tmp_path / "mine.safetensors")
    assert found.as_dict()["clip"] == "random"
    with pytest.raises(UsageError, match="expected clip=PATH"):
        initial_weights("head=x", STARTS)
    assert initial_weights("", recipe("plain", "few")) == InitialWeights()


def test_validation_leaves_modes_generators_and_statistics_as_they_were() -> None:
    pupil = build().train()
    pupil.backbone[1].eval()  # as a stage does with what it freezes
    validation = Validation(Few(), DATASET.vocabulary(), 3, every=1)
    modes = [module.training for module in pupil.modules()]
    before = {name: value.clone() for name, value in pupil.state_dict().items()}
    sow(3)
    wanted = torch.rand(4)
    sow(3)
    found = validation.measure(pupil, torch.device("cpu"))
    assert torch.equal(torch.rand(4), wanted)
    assert [module.training for module in pupil.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in pupil.state_dict().items())
    assert found["images"] == 3
    assert 0 <= float(found["hiou"] or 0) <= 100


def test_a_lesson_keeps_a_stages_modes_and_text() -> None:
    pupil = build().train()
    pupil.backbone[1].eval()
    seen = DATASET.vocabulary().seen_only()
    lesson = Lesson(pupil.set_vocabulary(seen), ALL, seen, Processes(), StopRequest())
    Pupil.encodings = 0
    for _ in range(3):
        lesson.train()  # mmengine does, in every iteration
        pupil.text_for(seen)
    assert Pupil.encodings == 1
    assert not pupil.backbone[1].training
    lesson.eval()
    assert not pupil.training
    with pytest.raises(ValueError, match="predict"):
        lesson(torch.zeros(1, 3, 8, 8), mode="predict")


@pytest.mark.parametrize(
    ("method", "flag", "amp"), [("san", False, True), ("bridge", False, False), ("bridge", True, True)]
)
def test_mixed_precision_is_the_flags_or_the_recipes(method: str, flag: bool, amp: bool) -> None:
    plan = make_plan(TrainRequest(method, "shapes", amp=flag), Processes())
    assert plan.amp == amp
    assert plan.recipe.as_dict()["amp"] == plan.recipe.amp == (method == "san")


def test_a_segmenter_is_built_in_the_layout_that_convolutions_like_best() -> None:
    segmenter = engine.build(make_plan(TrainRequest("bridge", "shapes", init="clip=random"), Processes()))
    weights = [value for value in segmenter.parameters() if value.ndim == 4 and min(value.shape[1:]) > 1]
    assert weights
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in weights)
