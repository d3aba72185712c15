"""SimSeg's two stages on the tiny variant: who learns, from what, and the recipe's numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from scene_lessons import SEEN, scenes
from torch import Tensor

from benchbed.clip import TextTower
from benchbed.datasets.shapes import DATASET
from benchbed.errors import UsageError
from benchbed.registry import resolve
from benchbed.segmenter import TextFeatures
from benchbed.training.optimisers import make_optimiser
from methods.parts.set_criterion import MASKFORMER, CriterionSettings
from methods.simseg import METHOD
from methods.simseg.model import SimSeg, build
from methods.simseg.recipe import recipe
from methods.simseg.settings import VOC_15

TINY = next(variant for variant in METHOD.variants if variant.embedded)
UNSEEN_NAMES = [name for name, seen in zip(DATASET.names, DATASET.seen, strict=True) if not seen]
PROMPTS, *_, SEGMENTATION = recipe("tiny", "shapes").stages
# VOC's configuration: a hand-written prompt for the own stream, a learned one for crops.
SEPARATE = {**VOC_15, "short_side": 128, "longest_side": 256}


def tiny(stage: str = "segmentation", seed: int = 0, **changes: Any) -> SimSeg:
    torch.manual_seed(seed)
    simseg: SimSeg = build(**{**TINY.config, **changes})
    choices = SEGMENTATION.choices if stage == "segmentation" else {}
    return simseg.begin_stage(stage, **choices).train()


def objects(count: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Crops as the data room hands them on: normalised floats, and seen classes."""
    generator = torch.Generator().manual_seed(seed)
    crops = torch.randn(count, 3, 64, 64, generator=generator)
    return crops, torch.randint(len(SEEN), (count,), generator=generator)


def learning(simseg: SimSeg) -> set[str]:
    return {name for name, parameter in simseg.named_parameters() if parameter.requires_grad}


def total(losses: dict[str, Tensor]) -> Tensor:
    return sum(losses.values(), torch.zeros(()))


# Stage `prompts`.


@pytest.mark.parametrize(
    ("changes", "prompt"), [({}, "prompt.prefix_prompt"), (SEPARATE, "region_prompt.prefix_prompt")]
)
def test_the_prompt_of_the_crops_alone_learns(changes: dict[str, Any], prompt: str) -> None:
    simseg = tiny("prompts", **changes)
    assert learning(simseg) == {prompt}
    assert simseg.trains_text
    total(simseg.object_loss(*objects(), simseg.text_for(SEEN))).backward()
    for name, parameter in simseg.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.any())) == (name == prompt), name


@pytest.mark.parametrize("seed", range(3))
def test_object_loss_is_the_cross_entropy_of_20_cosines(seed: int) -> None:
    """Against the tower's own forward pass and the definition, by numpy."""
    simseg = tiny("prompts", seed)
    crops, labels = objects(5, seed)
    text = simseg.text_for(SEEN)
    found = simseg.object_loss(crops, labels, text)
    assert set(found) == {"loss_prompt"}
    with torch.no_grad():
        features, words = simseg.visual(crops).double().numpy(), text.embeddings.double().numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    logits = 20 * features @ (words / np.linalg.norm(words, axis=1, keepdims=True)).T
    chosen = logits[np.arange(5), labels.numpy()]
    highest = logits.max(axis=1)
    expected = np.mean(highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)) - chosen)
    assert found["loss_prompt"].item() == pytest.approx(expected, rel=1e-4)


def test_with_prompts_of_their_own_crops_meet_those() -> None:
    simseg = tiny("prompts", **SEPARATE)
    crops, labels = objects()
    text = simseg.text_for(SEEN)
    swapped = TextFeatures(text.embeddings.flip(0), text.extra)
    assert torch.equal(
        simseg.object_loss(crops, labels, text)["loss_prompt"],
        simseg.object_loss(crops, labels, swapped)["loss_prompt"],
    )
    other = TextFeatures(text.embeddings, {**text.extra, "regions": text.extra["regions"].flip(0)})
    assert not torch.equal(
        simseg.object_loss(crops, labels, text)["loss_prompt"],
        simseg.object_loss(crops, labels, other)["loss_prompt"],
    )


def test_the_prompt_learns_a_fixed_batch_and_the_segmenter_stays() -> None:
    simseg = tiny("prompts")
    crops, labels = objects(16)
    optimiser = make_optimiser(simseg, PROMPTS.optimiser)
    before = {name: tensor.clone() for name, tensor in simseg.state_dict().items()}
    history = []
    for _ in range(30):
        loss = total(simseg.object_loss(crops, labels, simseg.text_for(SEEN)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert np.mean(history[-5:]) < np.mean(history[:5])
    after = simseg.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["prompt.prefix_prompt"]


def test_prompts_keep_the_tokens_of_the_clip_that_was_put_in() -> None:
    torch.manual_seed(1)
    simseg: SimSeg = build(**TINY.config)
    simseg.text.load_state_dict(TextTower(simseg.size.clip).state_dict())
    assert simseg.prompt is not None
    start = simseg.text.token_embedding.weight[49406]
    assert not torch.equal(simseg.prompt.start_signal[0], start)
    simseg.begin_stage("prompts")
    assert torch.equal(simseg.prompt.start_signal[0], start)


# Stage `segmentation`.


@pytest.mark.parametrize("changes", [{}, SEPARATE, {"prompts": "vild"}])
def test_gradients_reach_all_but_clip_and_prompts(changes: dict[str, Any]) -> None:
    simseg = tiny(**changes)
    assert not simseg.trains_text
    images, labels = scenes(simseg)
    losses = simseg.loss(images, labels, simseg.text_for(SEEN))
    assert all(torch.isfinite(each) for each in losses.values())
    total(losses).backward()
    for name, parameter in simseg.named_parameters():
        frozen = name.startswith(("visual.", "text.", "prompt.", "region_prompt."))
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name
    assert simseg.non_object_embedding.grad is not None
    assert simseg.non_object_embedding.grad.any()


def test_both_stages_together_train_what_the_card_says() -> None:
    simseg = tiny()
    names = learning(simseg) | learning(simseg.begin_stage("prompts"))
    sizes = {name: parameter.numel() for name, parameter in simseg.named_parameters()}
    assert TINY.params is not None
    assert sum(sizes[name] for name in names) == TINY.params[1]


def test_clips_image_tower_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    simseg = tiny()

    def refuse(*_: Any) -> None:
        raise AssertionError("CLIP's image tower ran")

    monkeypatch.setattr(simseg.visual, "forward", refuse)
    monkeypatch.setattr(simseg.visual, "tokens", refuse)
    images, labels = scenes(simseg)
    simseg.loss(images, labels, simseg.text_for(SEEN))


@pytest.mark.parametrize("stage", ["prompts", "segmentation"])
def test_no_unseen_name_reaches_the_text_tower(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simseg = tiny(stage)
    assert simseg.prompt is not None
    names: list[str] = []
    tokens = simseg.prompt._tokens

    def heard(name: str, tower: TextTower) -> list[int]:
        names.append(name)
        return tokens(name, tower)

    monkeypatch.setattr(simseg.prompt, "_tokens", heard)
    for _ in range(3):
        if stage == "prompts":
            simseg.object_loss(*objects(), simseg.text_for(SEEN))
        else:
            simseg.loss(*scenes(simseg), simseg.text_for(SEEN))
    assert len(names) == len(SEEN) * (3 if stage == "prompts" else 1)
    assert set(names) == set(SEEN.names)
    assert not set(names) & set(UNSEEN_NAMES)


def test_the_loss_falls_on_a_fixed_batch() -> None:
    simseg = tiny()
    images, labels = scenes(simseg)
    optimiser = make_optimiser(simseg, SEGMENTATION.optimiser)
    text = simseg.text_for(SEEN)
    history = []
    for _ in range(25):
        loss = total(simseg.loss(images, labels, text))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert np.mean(history[-3:]) < 0.5 * np.mean(history[:3])


def test_another_number_of_classes_at_test_time() -> None:
    simseg = tiny()
    images, labels = scenes(simseg)
    text = simseg.text_for(SEEN)
    assert len(text.embeddings) == 15
    simseg.loss(images, labels, text)
    simseg.eval()
    with torch.no_grad():
        scores = simseg.segment(images, simseg.text_for(DATASET.vocabulary()))
    assert scores.class_scores.shape == (2, 12, 20)


def test_labels_of_more_classes_than_text_are_refused() -> None:
    simseg = tiny()
    images, labels = scenes(simseg)
    labels[0, :16, :16] = 15
    with pytest.raises(ValueError, match=r"\[15\]"):
        simseg.loss(images, labels, simseg.text_for(SEEN))


def test_mistakes_with_stages() -> None:
    simseg = tiny("prompts")
    images, labels = scenes(simseg)
    with pytest.raises(ValueError, match="begin_stage"):
        simseg.loss(images, labels, simseg.text_for(SEEN))
    with pytest.raises(UsageError, match="no training stage 'proposals'"):
        simseg.begin_stage("proposals")
    with pytest.raises(UsageError, match="nothing to learn"):
        tiny("prompts", prompts="vild")


# The recipe.


def test_official_numbers_on_coco_stuff() -> None:
    prompts, segmentation = recipe("r101c", "coco-stuff").stages
    assert (prompts.iterations, prompts.batch, prompts.objects_per_class) == (16_000, 32, 32)
    assert (prompts.optimiser.name, prompts.optimiser.lr, prompts.optimiser.weight_decay) == (
        "SGD",
        0.02,
        5e-4,
    )
    assert (prompts.schedule.kind, prompts.schedule.warmup, prompts.schedule.warmup_factor) == (
        "cosine",
        100,
        0.005,
    )
    assert (segmentation.iterations, segmentation.batch, segmentation.augmentation.crop) == (60_000, 32, 640)
    assert CriterionSettings(**segmentation.choices) == MASKFORMER
    (crossing,) = recipe("r101c-vild", "coco-stuff").stages
    assert crossing.iterations == 120_000


def test_official_numbers_on_voc() -> None:
    found = recipe("r101c", "voc")
    prompts, segmentation = found.stages
    assert (prompts.iterations, prompts.objects_per_class) == (3_200, 128)
    assert (segmentation.iterations, segmentation.batch, segmentation.augmentation.crop) == (20_000, 16, 512)
    assert found.config == VOC_15


@pytest.mark.parametrize(
    ("variant", "dataset"),
    [("r101c", "coco-stuff"), ("r101c", "voc"), ("r101c-vild", "coco-stuff"), ("r50", "voc")],
)
def test_every_full_size_stage_begins_on_the_model_of_its_recipe(variant: str, dataset: str) -> None:
    """On a model without memory: a tenth of the rate for the backbone, no decay for norms and queries, CLIP left alone."""
    found = recipe(variant, dataset)
    card = next(each for each in METHOD.variants if each.name == variant)
    with torch.device("meta"):
        simseg: SimSeg = build(**{**card.config_for(dataset), **found.config})
    for stage in found.stages:
        optimiser = make_optimiser(simseg.begin_stage(stage.name, **stage.choices), stage.optimiser)
        rules = {
            name: (group["lr"], group["weight_decay"])
            for group in optimiser.param_groups
            for name in group["names"]
        }
        assert not [name for name in rules if name.startswith(("visual.", "text."))]
        if stage.name == "prompts":
            learner = "region_prompt" if dataset == "voc" else "prompt"
            assert rules == {f"{learner}.prefix_prompt": (0.02, 5e-4)}
        else:
            assert rules["backbone.stem.conv1.weight"] == pytest.approx((1e-5, 1e-4))
            assert rules["sem_seg_head.predictor.query_embed.weight"] == (1e-4, 0.0)
            assert rules["sem_seg_head.pixel_decoder.layer_1.norm.weight"] == (1e-4, 0.0)
            assert not [name for name in rules if "prompt." in name]


def test_what_has_no_recipe_says_what_has() -> None:
    with pytest.raises(UsageError, match=r"simseg/r101c-vild has no recipe for voc.*tiny on shapes"):
        recipe("r101c-vild", "voc")


def test_the_card_names_the_recipe_which_imports_no_torch_and_is_plain() -> None:
    assert resolve(METHOD.recipe) is recipe
    code = (
        "import sys; from methods.simseg.recipe import recipe; recipe('tiny', 'shapes'); "
        "assert not any(name.split('.')[0] == 'torch' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for variant, dataset in (("tiny", "shapes"), ("r101c", "voc"), ("r50", "coco-stuff")):
        assert json.loads(json.dumps(recipe(variant, dataset).as_dict()))["stages"][0]["name"] == "prompts"
