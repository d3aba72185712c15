"""ZegFormer's training on the tiny variant: who learns, from what, and the recipe's numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scene_lessons import SEEN, scenes
from torch import Tensor

from benchbed.datasets.shapes import DATASET
from benchbed.errors import UsageError
from benchbed.registry import resolve
from benchbed.training.optimisers import make_optimiser
from methods.parts.set_criterion import MASKFORMER, CriterionSettings
from methods.zegformer import METHOD
from methods.zegformer.model import ZegFormer, build
from methods.zegformer.recipe import recipe

TINY = next(variant for variant in METHOD.variants if variant.embedded)
UNSEEN_NAMES = [name for name, seen in zip(DATASET.names, DATASET.seen, strict=True) if not seen]


def tiny(seed: int = 0) -> ZegFormer:
    torch.manual_seed(seed)
    zegformer: ZegFormer = build(**TINY.config)
    stage = recipe("tiny", "shapes").stages[-1]
    return zegformer.begin_stage(stage.name, **stage.choices).train()


def test_gradients_reach_all_but_clip_and_the_temperature() -> None:
    zegformer = tiny()
    images, labels = scenes(zegformer)
    losses = zegformer.loss(images, labels, zegformer.text_for(SEEN))
    assert all(torch.isfinite(each) for each in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    for name, parameter in zegformer.named_parameters():
        frozen = name.startswith(("visual.", "text.")) or name in ("clip_scale", "class_head.logit_scale")
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name
    assert zegformer.class_head.bg_feature.grad is not None
    assert zegformer.class_head.bg_feature.grad.any()


def test_the_trained_parameters_are_those_of_the_card() -> None:
    zegformer = tiny()
    trained = sum(each.numel() for each in zegformer.parameters() if each.requires_grad)
    assert TINY.params is not None
    assert trained == TINY.params[1]


def test_clips_image_tower_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    zegformer = tiny()

    def refuse(*_: Any) -> None:
        raise AssertionError("CLIP's image tower ran")

    monkeypatch.setattr(zegformer.visual, "forward", refuse)
    monkeypatch.setattr(zegformer.visual, "tokens", refuse)
    images, labels = scenes(zegformer)
    zegformer.loss(images, labels, zegformer.text_for(SEEN))


def test_text_is_encoded_once_and_names_no_unseen_class(monkeypatch: pytest.MonkeyPatch) -> None:
    zegformer = tiny()
    prompts: list[str] = []
    encode: Callable[[list[str]], Tensor] = zegformer.text.encode

    def heard(words: list[str]) -> Tensor:
        prompts.extend(words)
        return encode(words)

    monkeypatch.setattr(zegformer.text, "encode", heard)
    images, labels = scenes(zegformer)
    for _ in range(3):
        zegformer.loss(images, labels, zegformer.text_for(SEEN))
    assert len(prompts) == len(SEEN) * (1 + 32)
    assert not [prompt for prompt in prompts if any(name in prompt for name in UNSEEN_NAMES)]
    assert not zegformer.trains_text


def test_the_loss_falls_on_a_fixed_batch() -> None:
    zegformer = tiny()
    images, labels = scenes(zegformer)
    optimiser = make_optimiser(zegformer, recipe("tiny", "shapes").stages[-1].optimiser)
    text = zegformer.text_for(SEEN)
    history = []
    for _ in range(25):
        total = sum(zegformer.loss(images, labels, text).values(), torch.zeros(()))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        history.append(total.item())
    assert np.mean(history[-3:]) < 0.5 * np.mean(history[:3])


def test_another_number_of_classes_at_test_time() -> None:
    zegformer = tiny()
    images, labels = scenes(zegformer)
    assert len(zegformer.text_for(SEEN).embeddings) == 15
    zegformer.loss(images, labels, zegformer.text_for(SEEN))
    zegformer.eval()
    with torch.no_grad():
        scores = zegformer.segment(images, zegformer.text_for(DATASET.vocabulary()))
    assert scores.class_scores.shape == (2, 12, 20)


def test_labels_of_more_classes_than_text_are_refused() -> None:
    zegformer = tiny()
    images, labels = scenes(zegformer)
    labels[0, :16, :16] = 15
    with pytest.raises(ValueError, match=r"\[15\]"):
        zegformer.loss(images, labels, zegformer.text_for(SEEN))


def test_a_batch_without_any_label_still_has_a_loss() -> None:
    zegformer = tiny()
    images, labels = scenes(zegformer)
    losses = zegformer.loss(images, torch.full_like(labels, 255), zegformer.text_for(SEEN))
    total = sum(losses.values(), torch.zeros(()))
    assert torch.isfinite(total)
    total.backward()


def test_no_stage_no_loss_and_no_such_stage() -> None:
    zegformer: ZegFormer = build(**TINY.config)
    images, labels = scenes(zegformer)
    with pytest.raises(ValueError, match="begin_stage"):
        zegformer.loss(images, labels, zegformer.text_for(SEEN))
    with pytest.raises(UsageError, match="no training stage 'prompts'"):
        zegformer.begin_stage("prompts")


# The recipe.


def test_official_numbers_on_coco_stuff() -> None:
    found = recipe("r101", "coco-stuff")
    (stage,) = found.stages
    assert (stage.iterations, stage.batch, stage.augmentation.crop) == (60_000, 32, 640)
    assert stage.augmentation.short_sides == (320, 384, 448, 512, 576, 640, 704, 768, 832, 896, 960)
    assert (stage.optimiser.name, stage.optimiser.lr, stage.optimiser.weight_decay) == ("AdamW", 1e-4, 1e-4)
    assert stage.optimiser.clip_norm == 0.01
    assert CriterionSettings(**stage.choices) == MASKFORMER
    assert found.config == {"head_templates": "imagenet_select"}


def test_official_numbers_on_voc() -> None:
    found = recipe("r50", "voc")
    (stage,) = found.stages
    assert (stage.iterations, stage.batch, stage.augmentation.crop) == (30_000, 32, 512)
    assert stage.augmentation.short_sides[0] == 256
    assert stage.augmentation.short_sides[-1] == 1024
    assert found.config == {"head_templates": "single"}


@pytest.mark.parametrize(
    ("variant", "dataset", "words"),
    [
        ("r101", "coco-stuff", ["mixed precision", "eight templates"]),
        ("r50", "coco-stuff", ["mixed precision"]),  # evaluated with eight, too
        ("r101", "voc", ["30,000 iterations"]),
        ("r50", "voc", ["30,000 iterations"]),
    ],
)
def test_each_recipe_lists_its_own_differences_alone(variant: str, dataset: str, words: list[str]) -> None:
    found = recipe(variant, dataset).differences
    assert len(found) == len(words)
    assert all(word in each for word, each in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("variant", "dataset"), [("r101", "coco-stuff"), ("r101", "voc"), ("r50", "coco-stuff"), ("r50", "voc")]
)
def test_full_size_groups_split_rates_and_decays(variant: str, dataset: str) -> None:
    """Backbone at a tenth of the rate, norms and the query table without decay, on a model without memory."""
    found = recipe(variant, dataset)
    stage = found.stages[0]
    config = {
        **next(each for each in METHOD.variants if each.name == variant).config_for(dataset),
        **found.config,
    }
    with torch.device("meta"):
        zegformer: ZegFormer = build(**config)
    optimiser = make_optimiser(zegformer.begin_stage(stage.name, **stage.choices), stage.optimiser)
    rules = {
        name: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for name in group["names"]
    }
    assert rules["backbone.stem.conv1.weight"] == pytest.approx((1e-5, 1e-4))
    assert rules["sem_seg_head.predictor.query_embed.weight"] == (1e-4, 0.0)
    assert rules["sem_seg_head.pixel_decoder.layer_1.norm.weight"] == (1e-4, 0.0)
    assert rules["class_head.bg_feature"] == (1e-4, 1e-4)
    assert "class_head.logit_scale" not in rules
    assert not [name for name in rules if name.startswith(("visual.", "text.")) or ".norm" in name[:20]]


def test_what_has_no_recipe_says_what_has() -> None:
    with pytest.raises(UsageError, match=r"zegformer/r101 has no recipe for shapes.*tiny on shapes"):
        recipe("r101", "shapes")


def test_the_card_names_the_recipe_which_imports_no_torch_and_is_plain() -> None:
    assert resolve(METHOD.recipe) is recipe
    code = (
        "import sys; from methods.zegformer.recipe import recipe; recipe('tiny', 'shapes'); "
        "assert not any(name.split('.')[0] == 'torch' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for variant, dataset in (("tiny", "shapes"), ("r101", "voc"), ("r50", "coco-stuff")):
        stages = json.loads(json.dumps(recipe(variant, dataset).as_dict()))["stages"]
        assert stages[-1]["name"] == "segmentation"
