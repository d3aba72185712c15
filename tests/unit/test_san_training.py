"""SAN's training on the tiny variant: who learns, from what, and the recipe's numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from san_lessons import MASKS, STAGE, TINY, losses_alone, random_text, tiny
from scene_lessons import SEEN, scenes
from torch import Tensor

from benchbed.datasets.shapes import DATASET
from benchbed.errors import UsageError
from benchbed.registry import resolve
from benchbed.segmenter import TextFeatures
from benchbed.training.optimisers import make_optimiser
from benchbed.training.recipe import Stage
from methods.parts.set_criterion import MASK2FORMER, CriterionSettings, MaskOutput, SetCriterion
from methods.san import METHOD
from methods.san.model import SAN, build
from methods.san.outputs import outputs
from methods.san.recipe import recipe
from methods.san.sizes import SanSize, plain

TRAINED = ("side.", "decoder.", "bg_embed")
POSITIONS = "clip.positional_embedding"
WITH_POSITIONS = {**STAGE.choices, "positions": True}  # as the authors train


def changed_by(san: SAN, step: Any) -> set[str]:
    before = {name: value.detach().clone() for name, value in san.named_parameters()}
    step()
    return {name for name, value in san.named_parameters() if not torch.equal(value, before[name])}


# Who learns.


@pytest.mark.parametrize(
    ("stage", "trained"),
    [
        (STAGE, TRAINED),
        (replace(STAGE, choices=WITH_POSITIONS), (*TRAINED, POSITIONS)),
        (MASKS, ("side.", "decoder.")),
    ],
)
def test_a_step_of_the_recipes_optimiser_moves_what_is_trained_and_nothing_else(
    stage: Stage, trained: tuple[str, ...]
) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san)
    optimiser = make_optimiser(san, stage.optimiser)

    def step() -> None:
        sum(san.loss(images, labels, random_text(san)).values()).backward()  # type: ignore[union-attr]
        optimiser.step()

    moved = changed_by(san, step)
    assert moved == {name for name, _ in san.named_parameters() if name.startswith(trained)}
    frozen = [each for name, each in san.named_parameters() if not name.startswith(trained)]
    assert all(each.grad is None and not each.requires_grad for each in frozen)


@pytest.mark.parametrize("before", [STAGE, MASKS], ids=lambda stage: stage.name)
def test_beginning_the_stage_again_restores_what_learns(before: Stage) -> None:
    san = tiny(choices=before.choices, stage=before.name)
    san.requires_grad_(False)
    san.begin_stage(STAGE.name, **STAGE.choices)
    learning = {name for name, each in san.named_parameters() if each.requires_grad}
    assert learning == {name for name, _ in san.named_parameters() if name.startswith(TRAINED)}
    assert not san.trains_text


@pytest.mark.parametrize("match", ["norm1", "norm2", "query_embed", "pos_embed"])
def test_norms_of_side_blocks_positions_and_queries_do_not_decay(match: str) -> None:
    san = tiny(choices=WITH_POSITIONS)
    groups = make_optimiser(san, STAGE.optimiser).param_groups
    decay = {name: group["weight_decay"] for group in groups for name in group["names"]}
    hit = [name for name in decay if match in name]
    assert hit
    assert all(decay[name] == 0 for name in hit)
    assert decay["side.fusion.0.norm.weight"] == STAGE.optimiser.weight_decay > 0
    assert decay["bg_embed"] == STAGE.optimiser.weight_decay
    assert decay[POSITIONS] == 0


# The loss.


@pytest.mark.parametrize("stage", [STAGE, MASKS], ids=lambda stage: stage.name)
def test_the_loss_falls_on_one_batch(stage: Stage) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san)
    text = random_text(san)
    optimiser = make_optimiser(san, stage.optimiser)
    with torch.no_grad():
        san.logit_scale.fill_(2.7)  # about where the small CLIP ends, like any CLIP trained for minutes
    totals = []
    for _ in range(12):
        total = sum(san.loss(images, labels, text).values())
        assert isinstance(total, Tensor)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert totals[-1] < 0.85 * totals[0]


def test_the_last_output_is_what_segment_gives() -> None:
    san = tiny()
    images, _ = scenes(san)
    text = random_text(san, 7)
    with torch.no_grad():
        last, _ = outputs(san, images.tensor, text, supervised=2)
        scores = san.segment(images, text)
    torch.testing.assert_close(last.mask_logits, scores.mask_logits)
    torch.testing.assert_close(last.class_logits.softmax(-1)[..., :-1], scores.class_scores)


def test_the_output_before_is_that_of_a_side_network_one_block_shorter() -> None:
    """Deep supervision reads the last block but one before positions come back, as though the network ended there."""
    san = tiny(side_layers=SanSize(**plain(TINY.config)).side_layers + 1)
    shorter = build(**TINY.config)
    kept = {name: value for name, value in san.state_dict().items() if name in shorter.state_dict()}
    shorter.load_state_dict(kept)
    images, _ = scenes(san)
    text = random_text(san)
    with torch.no_grad():
        _, before = outputs(san, images.tensor, text, supervised=2)
        (alone,) = outputs(shorter, images.tensor, text, supervised=1)
    torch.testing.assert_close(before.mask_logits, alone.mask_logits)
    torch.testing.assert_close(before.class_logits, alone.class_logits)


def test_the_loss_is_the_criterion_on_both_outputs() -> None:
    san = tiny()
    images, labels = scenes(san)
    text = random_text(san)
    with torch.no_grad():
        found = san.loss(images, labels, text)
        settings = losses_alone(STAGE.choices)
        both: list[MaskOutput] = outputs(san, images.tensor, text, 2)
        expected = SetCriterion(CriterionSettings(**settings))(both, labels)
    assert set(found) == {f"loss_{name}{end}" for name in ("class", "mask", "dice") for end in ("", "_aux0")}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("stage", [STAGE, MASKS], ids=lambda stage: stage.name)
def test_a_batch_without_labels_teaches_no_mask(stage: Stage) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san)
    losses = san.loss(images, torch.full_like(labels, 255), random_text(san))
    assert all(float(value) == 0 for name, value in losses.items() if "class" not in name)
    sum(losses.values()).backward()  # type: ignore[union-attr]
    grads = [each.grad for name, each in san.named_parameters() if name.startswith(("side.", "decoder."))]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("stage", [STAGE, MASKS], ids=lambda stage: stage.name)
@pytest.mark.parametrize("label", [len(SEEN), len(DATASET.names) - 1])
def test_an_unseen_label_is_refused(label: int, stage: Stage) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san)
    labels[0, :16, :16] = label
    with pytest.raises(ValueError, match=str(label)):
        san.loss(images, labels, random_text(san))


def test_any_number_of_classes_after_training_with_another() -> None:
    san = tiny()
    images, labels = scenes(san)
    sum(san.loss(images, labels, random_text(san)).values()).backward()  # type: ignore[union-attr]
    san.eval()
    with torch.no_grad():
        scores = san.segment(images, san.text_for(DATASET.vocabulary()))
    assert scores.class_scores.shape[-1] == len(DATASET.names) > len(SEEN)


def test_points_are_sampled_as_published() -> None:
    """The full-size recipe's choices on small sizes: point-sampled losses at the labels' resolution."""
    (official,) = recipe("vit-b16", "coco-stuff").stages
    san = tiny(choices={**official.choices, "points": 64})
    images, labels = scenes(san)
    losses = san.loss(images, labels, random_text(san))
    assert len(losses) == 6
    assert all(value.isfinite() for value in losses.values())


def test_full_size_has_shapes_of_its_own() -> None:
    """ViT-B/16 without numbers: 100 masks at a sixteenth of the side, by 156 classes and the background, twice."""
    with torch.device("meta"):
        san = build(clip="vit-b16")
        text = TextFeatures(torch.empty(156, san.size.clip.embed_dim))
        found = outputs(san, torch.empty(2, 3, 640, 640), text, 2)
    assert [tuple(each.mask_logits.shape) for each in found] == [(2, 100, 40, 40)] * 2
    assert [tuple(each.class_logits.shape) for each in found] == [(2, 100, 157)] * 2
    trained = sum(each.numel() for each in san.parameters() if each.requires_grad)
    assert trained == 8_370_866  # the official log's


# The user's mistakes.


@pytest.mark.parametrize(
    ("name", "choices", "words"),
    [
        ("adapter", {}, ("'adapter'", "side-adapter", "masks")),
        (MASKS.name, {"supervised": 5}, ("supervised=5", "1 to 4")),
        (MASKS.name, {"class_cost": 2.0, "positions": False}, ("class_cost, positions", "names nothing")),
        (MASKS.name, {"ignored": "left-out"}, ("left-out", "negative")),
        ("backbone", {"supervised": 2}, ("'backbone'", "supervised", "leave them out")),
        (STAGE.name, {"bias_weight": 2.0}, ("side-adapter", "bias_weight", "'masks'")),
        (STAGE.name, {"supervised": 0}, ("supervised=0", "1 to 4")),
        (STAGE.name, {"supervised": 5}, ("supervised=5", "1 to 4")),
    ],
)
def test_a_wrong_stage_says_what_would_be_right(
    name: str, choices: dict[str, Any], words: tuple[str, ...]
) -> None:
    san = build(**{**TINY.config, "side_layers": 4})
    with pytest.raises(UsageError) as caught:
        san.begin_stage(name, **choices)
    assert all(word in str(caught.value) for word in words)


def test_a_loss_without_a_stage_is_refused() -> None:
    san = build(**TINY.config)
    images, labels = scenes(san)
    with pytest.raises(UsageError, match="begin_stage"):
        san.loss(images, labels, random_text(san))


# The recipe.


def test_official_losses_are_mask2formers() -> None:
    (stage,) = recipe("vit-b16", "coco-stuff").stages
    choices = dict(stage.choices)
    assert choices.pop("supervised") == 2
    assert CriterionSettings(**choices) == MASK2FORMER
    assert {key: asdict(MASK2FORMER)[key] for key in choices} == choices


@pytest.mark.parametrize("variant", ["vit-b16", "vit-l14"])
def test_published_numbers(variant: str) -> None:
    """san.md, section 3: Base-coco-stuff-164K-171.yaml."""
    found = recipe(variant, "coco-stuff")
    (stage,) = found.stages
    optimiser = stage.optimiser
    assert (stage.iterations, stage.batch) == (60_000, 32)
    assert (optimiser.name, optimiser.lr, optimiser.weight_decay, optimiser.clip_norm) == (
        "AdamW",
        1e-4,
        1e-4,
        0.01,
    )
    assert (stage.schedule.kind, stage.schedule.power, stage.schedule.warmup) == ("poly", 0.9, 0)
    size = SanSize()
    assert stage.augmentation.short_sides[0] == size.short_side / 2
    assert stage.augmentation.short_sides[-1] == size.short_side * 1.5
    assert stage.augmentation.crop == size.side_image == 640
    assert found.clip.startswith("clip-vit-")
    assert any("171" in each for each in found.differences)


def test_what_is_ours_says_so() -> None:
    for variant, dataset in (("vit-b16", "voc"), ("vit-l14", "voc"), ("tiny", "shapes")):
        assert recipe(variant, dataset).source.startswith("ours")
    assert [stage.name for stage in recipe("tiny", "shapes").stages] == ["masks", "side-adapter"]
    for stage in (MASKS, STAGE):
        settings = CriterionSettings(**losses_alone(stage.choices))
        assert (settings.ignored, settings.resolution) == ("negative", "logits")


@pytest.mark.parametrize(("variant", "dataset"), [("tiny", "voc"), ("vit-b16", "shapes"), ("huge", "voc")])
def test_a_missing_recipe_names_those_there_are(variant: str, dataset: str) -> None:
    with pytest.raises(UsageError, match=f"san/{variant} has no recipe for {dataset}: vit-b16 and vit-l14"):
        recipe(variant, dataset)


def test_the_card_names_the_recipe_which_is_plain_and_free_of_torch() -> None:
    assert resolve(METHOD.recipe) is recipe
    for variant, dataset in (("vit-b16", "voc"), ("vit-l14", "coco-stuff"), ("tiny", "shapes")):
        json.dumps(recipe(variant, dataset).as_dict())
    program = "import sys, methods.san.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
