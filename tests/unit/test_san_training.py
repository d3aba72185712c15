"""SAN's training on the tiny variant: who learns, from what, and the recipe's numbers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.datasets.shapes import DATASET, scene
from benchbed.errors import UsageError
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import InputSpec
from benchbed.registry import resolve
from benchbed.segmenter import TextFeatures
from benchbed.training.optimisers import make_optimiser
from benchbed.training.recipe import Stage
from benchbed.training.seen_labels import seen_only, seen_table
from methods.parts.matcher import Matching
from methods.parts.set_criterion import MASK2FORMER, CriterionSettings, MaskOutput, SetCriterion
from methods.san import METHOD
from methods.san.masks_stage import cells_touched, divergence_from_even, matched_biases
from methods.san.model import SAN, build
from methods.san.outputs import outputs, supervised_proposals
from methods.san.recipe import recipe
from methods.san.sizes import SanSize, plain

TINY = next(variant for variant in METHOD.variants if variant.embedded)
SEEN = DATASET.vocabulary().seen_only()
MASKS, STAGE = recipe("tiny", "shapes").stages
TRAINED = ("side.", "decoder.", "bg_embed")
POSITIONS = "clip.positional_embedding"
WITH_POSITIONS = {**STAGE.choices, "positions": True}  # as the authors train


def tiny(
    seed: int = 0, choices: Mapping[str, Any] | None = None, stage: str = STAGE.name, **changes: Any
) -> SAN:
    torch.manual_seed(seed)
    san: SAN = build(**{**TINY.config, **changes}).train()
    return san.begin_stage(stage, **(STAGE.choices if choices is None else choices))


def scenes(spec: InputSpec, count: int = 2) -> tuple[ImageBatch, Tensor]:
    """Training scenes and their labels as the data room hands them on."""
    drawn = [scene(index, "train") for index in range(count)]
    images = prepare([each.image for each in drawn], spec)
    labels = torch.full((count, *images.tensor.shape[2:]), 255)
    for row, each in zip(labels, drawn, strict=True):
        height, width = each.labels.shape
        row[:height, :width] = torch.from_numpy(
            seen_only(each.labels, seen_table(DATASET.seen)).astype(np.int64)
        )
    return images, labels


def losses_alone(choices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in choices.items() if name not in ("supervised", "positions")}


def random_text(san: SAN, count: int = len(SEEN)) -> TextFeatures:
    rows = torch.randn(count, san.size.clip.embed_dim, generator=torch.Generator().manual_seed(5))
    return TextFeatures(torch.nn.functional.normalize(rows, dim=-1))


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
    images, labels = scenes(san.input_spec)
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
    images, labels = scenes(san.input_spec)
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
        totals.append(float(total))
    assert totals[-1] < 0.85 * totals[0]


def test_the_last_output_is_what_segment_gives() -> None:
    san = tiny()
    images, _ = scenes(san.input_spec)
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
    images, _ = scenes(san.input_spec)
    text = random_text(san)
    with torch.no_grad():
        _, before = outputs(san, images.tensor, text, supervised=2)
        (alone,) = outputs(shorter, images.tensor, text, supervised=1)
    torch.testing.assert_close(before.mask_logits, alone.mask_logits)
    torch.testing.assert_close(before.class_logits, alone.class_logits)


def test_the_loss_is_the_criterion_on_both_outputs() -> None:
    san = tiny()
    images, labels = scenes(san.input_spec)
    text = random_text(san)
    with torch.no_grad():
        found = san.loss(images, labels, text)
        settings = losses_alone(STAGE.choices)
        both: list[MaskOutput] = outputs(san, images.tensor, text, 2)
        expected = SetCriterion(CriterionSettings(**settings))(both, labels)
    assert set(found) == {f"loss_{name}{end}" for name in ("class", "mask", "dice") for end in ("", "_aux0")}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def masks_settings() -> CriterionSettings:
    return CriterionSettings(**{k: v for k, v in losses_alone(MASKS.choices).items() if k != "bias_weight"})


def test_before_names_masks_are_compared_with_regions_whatever_they_are_called() -> None:
    """Queries that all say nothing cost the same: matched by masks alone, in the criterion of the stage after."""
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san.input_spec)
    with torch.no_grad():
        found = san.loss(images, labels, random_text(san))
        proposed, _ = supervised_proposals(san, images.tensor, 2)
        unnamed = torch.zeros(len(labels), san.size.queries, len(SEEN) + 1)
        both = [MaskOutput(each.masks, unnamed) for each in proposed]
        expected = SetCriterion(masks_settings())(both, labels)
        other = san.loss(images, labels, TextFeatures(-random_text(san).embeddings))
    assert set(found) == {f"loss_{name}{end}" for name in ("mask", "dice", "bias") for end in ("", "_aux0")}
    for name, value in found.items():
        assert torch.equal(value, other[name])
        if "bias" not in name:
            torch.testing.assert_close(value, expected[name])


def test_losses_of_masks_are_divided_by_the_mean_over_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san.input_spec)
    with torch.no_grad():
        alone = san.loss(images, labels, random_text(san))
        twice = lambda count, device: 2.0 * count  # noqa: E731
        monkeypatch.setattr("methods.san.masks_stage.mean_over_processes", twice)
        halves = san.loss(images, labels, random_text(san))
    assert all(torch.equal(halves[name] * 2, value) and float(value) > 0 for name, value in alone.items())


def test_a_regions_cells_are_all_that_any_of_its_pixels_lies_in() -> None:
    labels = torch.full((2, 8, 8), 255)
    labels[0, 1:5, 1:3] = 4  # touches cells (0, 0) and (1, 0) of 2 x 2
    labels[1, 7, 7] = 4
    labels[1, 0, 0] = labels[1, 0, 7] = 2  # two things of one class
    classes = torch.tensor([[4, -1], [2, 4]])
    assert cells_touched(labels, classes, (2, 2)).tolist() == [
        [[1, 0, 1, 0], [0, 0, 0, 0]],
        [[1, 1, 0, 0], [0, 0, 0, 1]],
    ]


def test_each_matched_query_brings_its_own_images_biases_and_cells() -> None:
    biases, touched = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 4), torch.rand(2, 2, 4).round()
    matching = Matching(torch.tensor([0, 1, 1]), torch.tensor([4, 2, 0]), torch.tensor([1, 0, 1]))
    found, cells = matched_biases(biases, touched, matching)
    for index, (image, query, target) in enumerate([(0, 4, 1), (1, 2, 0), (1, 0, 1)]):
        for head in range(3):
            assert torch.equal(found[index, head], biases[image, head, query])
            assert torch.equal(cells[index, head], touched[image, target])


def test_a_bias_that_is_even_over_its_region_and_low_elsewhere_costs_nothing() -> None:
    """Against a plain computation of the divergence between two distributions, and by hand where it is known."""
    touched = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    for bias, nats in (
        ([7.0, 7.0, -93.0, -93.0], 0.0),
        ([7.0, 7.0, -math.inf, -math.inf], 0.0),
        ([0.0, 0.0, 0.0, 0.0], math.log(2)),  # attends to twice as many cells as it should
        ([math.log(3.0), 0.0, -99.0, -99.0], 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)),
    ):
        assert float(divergence_from_even(torch.tensor([bias]), touched)) == pytest.approx(nats, abs=1e-6)
    drawn = torch.Generator().manual_seed(3)
    bias, touched = torch.randn(5, 2, 30, generator=drawn), torch.rand(5, 1, 30, generator=drawn).round()
    even = (touched / touched.sum(-1, keepdim=True)).expand(5, 2, 30)
    expected = F.kl_div(bias.log_softmax(-1), even, reduction="none").sum(-1)
    torch.testing.assert_close(divergence_from_even(bias, touched.expand(5, 2, 30)), expected)


def test_the_bias_loss_is_the_mean_over_regions_and_heads() -> None:
    """Biases that say nothing attend to all n cells alike: log(n / t) nats for a region that touches t of them."""
    san = tiny(choices={**MASKS.choices, "bias_weight": 3.0}, stage=MASKS.name)
    images, labels = scenes(san.input_spec)
    with torch.no_grad():
        san.decoder.bias_scaling.weight.zero_()
        found = san.loss(images, labels, random_text(san))
    nats = []
    for row in labels:
        for label in row.unique()[row.unique() != 255]:
            cells = (row == label).unflatten(0, (-1, 8)).unflatten(2, (-1, 8)).any(3).any(1)
            nats.append(math.log(cells.numel() / int(cells.sum())))
    assert float(found["loss_bias"]) == pytest.approx(3.0 * sum(nats) / len(nats), rel=1e-4)
    assert float(found["loss_bias_aux0"]) == pytest.approx(float(found["loss_bias"]), rel=1e-4)


def test_masks_and_biases_learn_in_half_precision() -> None:
    san = tiny(choices=MASKS.choices, stage=MASKS.name)
    images, labels = scenes(san.input_spec)
    with torch.autocast("cpu", torch.bfloat16):
        losses = san.loss(images, labels, random_text(san))
    assert all(value.dtype == torch.float32 and float(value) > 0 for value in losses.values())
    for name, value in san.loss(images, labels, random_text(san)).items():
        assert float(losses[name]) == pytest.approx(float(value), rel=0.05)


@pytest.mark.parametrize("stage", [STAGE, MASKS], ids=lambda stage: stage.name)
def test_a_batch_without_labels_teaches_no_mask(stage: Stage) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san.input_spec)
    losses = san.loss(images, torch.full_like(labels, 255), random_text(san))
    assert all(float(value) == 0 for name, value in losses.items() if "class" not in name)
    sum(losses.values()).backward()  # type: ignore[union-attr]
    grads = [each.grad for name, each in san.named_parameters() if name.startswith(("side.", "decoder."))]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("stage", [STAGE, MASKS], ids=lambda stage: stage.name)
@pytest.mark.parametrize("label", [len(SEEN), len(DATASET.names) - 1])
def test_an_unseen_label_is_refused(label: int, stage: Stage) -> None:
    san = tiny(choices=stage.choices, stage=stage.name)
    images, labels = scenes(san.input_spec)
    labels[0, :16, :16] = label
    with pytest.raises(ValueError, match=str(label)):
        san.loss(images, labels, random_text(san))


def test_any_number_of_classes_after_training_with_another() -> None:
    san = tiny()
    images, labels = scenes(san.input_spec)
    sum(san.loss(images, labels, random_text(san)).values()).backward()  # type: ignore[union-attr]
    san.eval()
    with torch.no_grad():
        scores = san.segment(images, san.text_for(DATASET.vocabulary()))
    assert scores.class_scores.shape[-1] == len(DATASET.names) > len(SEEN)


def test_points_are_sampled_as_published() -> None:
    """The full-size recipe's choices on small sizes: point-sampled losses at the labels' resolution."""
    (official,) = recipe("vit-b16", "coco-stuff").stages
    san = tiny(choices={**official.choices, "points": 64})
    images, labels = scenes(san.input_spec)
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
    images, labels = scenes(san.input_spec)
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
        settings = masks_settings() if stage is MASKS else CriterionSettings(**losses_alone(stage.choices))
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
