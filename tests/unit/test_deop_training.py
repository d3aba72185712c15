"""DeOP's three stages on the tiny variant: who learns, from what, and the recipe's numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scene_lessons import SEEN, scenes
from torch import Tensor, nn

from benchbed.clip import ImageTower
from benchbed.datasets.shapes import DATASET
from benchbed.errors import UsageError
from benchbed.training.optimisers import make_optimiser
from methods.deop import METHOD
from methods.deop.model import DeOP, build
from methods.deop.pixel_losses import PixelLosses
from methods.deop.recipe import recipe
from methods.deop.sizes import TINY_SIZE
from methods.deop.training import deop_stage
from methods.parts.proposal_network import Proposals

TINY = next(variant for variant in METHOD.variants if variant.embedded)
STAGES = {stage.name: stage for stage in recipe("tiny", "shapes").stages if not stage.backbone}
LEARNING = {
    "prompts": ("prompt.prefix_prompt",),
    "proposals": ("backbone.", "sem_seg_head.", "non_object_embedding"),
    "one-pass": ("decoder.", "query_embedding.", "non_object_embedding", "prompt.prefix_prompt"),
}
# `decoder.norm` serves outputs that nobody reads. Queries' contents start at zeros, so that the first layer's self-attention
# mixes equal rows and its norm scales nothing.
DEAD = re.compile(r"^decoder\.norm\.|(^|\.)decoder\.layers\.0\.(self_attn\.(in|out)_proj|norm1)")


def learns(stage: str, name: str) -> bool:
    return name.startswith(LEARNING[stage]) or (stage == "one-pass" and name.endswith("learned_position"))


def tiny(stage: str, seed: int = 0) -> DeOP:
    torch.manual_seed(seed)
    deop: DeOP = build(**TINY.config).train()
    return deop.begin_stage(stage, **STAGES[stage].choices)


def objects(count: int = 8) -> tuple[Tensor, Tensor]:
    """Crops as the data room hands them on: normalised floats, and seen classes."""
    generator = torch.Generator().manual_seed(3)
    crops = torch.randn(count, 3, 64, 64, generator=generator)
    return crops, torch.randint(len(SEEN), (count,), generator=generator)


def losses_of(deop: DeOP, stage: str) -> Callable[[], dict[str, Tensor]]:
    """The losses of one fixed batch, each time anew."""
    if stage == "prompts":
        crops, classes = objects()
        return lambda: deop.object_loss(crops, classes, deop.text_for(SEEN))
    images, labels = scenes(deop)
    return lambda: deop.loss(images, labels, deop.text_for(SEEN))


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


# Who learns.


@pytest.mark.parametrize("stage", STAGES)
def test_a_step_of_the_recipes_optimiser_moves_what_is_trained_and_nothing_else(stage: str) -> None:
    deop = tiny(stage)
    optimiser = make_optimiser(deop, replace(STAGES[stage].optimiser, weight_decay=0.0))
    state = {name: value.clone() for name, value in deop.state_dict().items()}
    total(losses_of(deop, stage)()).backward()
    optimiser.step()
    moved = {name for name, value in deop.state_dict().items() if not torch.equal(value, state[name])}
    parameters = {name for name, _ in deop.named_parameters()}
    expected = {name for name in parameters if learns(stage, name)}
    assert moved & parameters <= expected
    assert all(DEAD.search(name) for name in expected - moved), "what cannot learn in a first step"
    buffers = moved - parameters
    assert bool(buffers) == (stage == "proposals")
    assert all(name.startswith("backbone.") for name in buffers), "statistics of the backbone's norms"
    assert all(each.grad is None for name, each in deop.named_parameters() if not learns(stage, name))
    assert deop.trains_text == (stage != "proposals")


def test_the_last_stage_trains_what_an_untrained_model_says() -> None:
    deop = build(**TINY.config)
    said = {name for name, each in deop.named_parameters() if each.requires_grad}
    for stage in STAGES:
        deop.begin_stage(stage, **STAGES[stage].choices)
    assert {name for name, each in deop.named_parameters() if each.requires_grad} == said
    frozen = build(**TINY.config).begin_stage("one-pass", freeze_prompt=True)
    assert {name for name, each in frozen.named_parameters() if each.requires_grad} == said - {
        "prompt.prefix_prompt"
    }
    assert not frozen.trains_text


@pytest.mark.parametrize("dropout", [True, False])
def test_in_the_last_stage_the_proposers_keep_still(dropout: bool) -> None:
    """The backbone's statistics never move; the head's dropout is on, as published, or off."""
    dropping = replace(TINY_SIZE, proposals=replace(TINY_SIZE.proposals, dropout=0.1))
    deop = build(dropping, 128, 256).begin_stage("one-pass", proposal_dropout=dropout)
    deop.eval()
    deop.train()
    assert not any(each.training for each in deop.backbone.modules())
    assert all(each.training == dropout for each in deop.sem_seg_head.modules())
    assert all(each.training for each in deop.decoder.modules())
    images, _ = scenes(deop)
    with torch.no_grad():
        first, second = (deop.sem_seg_head(deop.backbone(images.tensor)).mask_logits for _ in range(2))
    assert torch.equal(first, second) == (not dropout)
    deop.eval()
    assert not any(each.training for each in deop.modules())


def test_the_last_stage_begins_with_a_new_no_object_vector() -> None:
    deop = tiny("proposals")
    before = deop.non_object_embedding.detach().clone()
    deop.begin_stage("one-pass")
    after = deop.non_object_embedding.detach()
    assert not torch.equal(before, after)
    assert 0.5 < float(after.norm()) < 1.5, "a row of D numbers of variance 1 / D"


# The losses.


def with_true_masks(deop: DeOP, labels: Tensor) -> None:
    """Proposals as though they had been trained: query k's mask is class k's. Random ones are too sure to learn from."""
    quarter = labels[:, ::4, ::4]
    classes = torch.arange(deop.size.proposals.queries)
    masks = torch.where(quarter[:, None] == classes[:, None, None], 4.0, -4.0)
    deop.sem_seg_head.forward = lambda features: Proposals(masks, masks.flatten(2))  # type: ignore[method-assign]


@pytest.mark.parametrize("stage", STAGES)
def test_the_loss_falls_on_one_batch(stage: str) -> None:
    deop = tiny(stage)
    if stage == "one-pass":
        with_true_masks(deop, scenes(deop)[1])
    optimiser = make_optimiser(deop, STAGES[stage].optimiser)
    again, found = losses_of(deop, stage), []
    for _ in range(24):
        loss = total(again())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(float(loss))
    assert np.mean(found[-3:]) < 0.9 * np.mean(found[:3])


def test_prompts_learn_from_what_plain_clip_sees_of_a_crop() -> None:
    """20 * cosine with the crop's CLS embedding, from a tower without severed blocks and learned positions."""
    deop = tiny("prompts").eval()
    crops, classes = objects()
    plain = ImageTower(deop.size.clip).eval()
    plain.load_state_dict({k: v for k, v in deop.visual.state_dict().items() if "learned_position" not in k})
    with torch.no_grad():
        text = deop.text_for(SEEN)
        shown = torch.nn.functional.normalize(plain(crops), dim=-1)
        expected = nn.CrossEntropyLoss()(20 * shown @ text.embeddings.T, classes)
        found = deop.object_loss(crops, classes, text)
    assert list(found) == ["loss_prompt"]
    torch.testing.assert_close(found["loss_prompt"], expected, rtol=1e-4, atol=1e-4)


def test_proposals_are_supervised_at_every_layer_without_clips_image_tower() -> None:
    deop = tiny("proposals")
    called: list[bool] = []
    deop.visual.conv1.register_forward_hook(lambda *_: called.append(True))
    losses = losses_of(deop, "proposals")()
    ends = ["", *(f"_aux{index}" for index in range(TINY_SIZE.proposals.layers - 1))]
    assert set(losses) == {f"loss_{name}{end}" for name in ("class", "mask", "dice") for end in ends}
    assert not called


def test_proposals_name_queries_by_their_own_class_head() -> None:
    """With one layer's criterion put aside: 20 * cosine of class_embed(query) with words and no-object."""
    deop = tiny("proposals").eval()
    images, labels = scenes(deop)
    heard: list[Any] = []
    stage: Any = deop_stage("proposals", STAGES["proposals"].choices)
    criterion = lambda outputs, labels: heard.extend(outputs) or {"loss": torch.zeros(())}  # noqa: E731
    with torch.no_grad():
        text = deop.text_for(SEEN)
        replace(stage, criterion=criterion).losses(deop, images.tensor, labels, text)
        proposals = deop.sem_seg_head(deop.backbone(images.tensor))
        head: Any = deop.sem_seg_head.predictor.class_embed
        query = head(proposals.embeddings)
        rows = torch.cat([text.embeddings, deop.non_object_embedding])
        expected = 20 * nn.CosineSimilarity(dim=-1)(query[:, :, None], rows)
    torch.testing.assert_close(heard[0].mask_logits, proposals.mask_logits)
    torch.testing.assert_close(heard[0].class_logits, expected, rtol=1e-4, atol=1e-3)


def test_the_last_stage_learns_by_what_segment_gives() -> None:
    deop = tiny("one-pass").eval()
    images, labels = scenes(deop)
    with torch.no_grad():
        text = deop.text_for(SEEN)
        found = deop.loss(images, labels, text)
        mask_logits = deop.sem_seg_head(deop.backbone(images.tensor)).mask_logits
        anchors = deop.decoder(
            deop.visual(images.tensor, mask_logits), mask_logits, deop.query_embedding.weight
        )
        logits = deop.class_logits(anchors, text)
        scores = deop.segment(images, text)
        expected = PixelLosses(resolution="logits", ignored="left-out")(logits, mask_logits, labels)
    torch.testing.assert_close(logits.softmax(-1)[..., :-1], scores.class_scores)
    for name in ("loss_focal", "loss_dice"):
        torch.testing.assert_close(found[name], expected[name])


@pytest.mark.parametrize("stage", ["proposals", "one-pass"])
def test_a_batch_without_labels_has_finite_losses(stage: str) -> None:
    deop = tiny(stage)
    images, labels = scenes(deop)
    losses = deop.loss(images, torch.full_like(labels, 255), deop.text_for(SEEN))
    total(losses).backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(each.grad.isfinite().all() for each in deop.parameters() if each.grad is not None)


def test_an_unseen_label_is_refused() -> None:
    for stage in ("proposals", "one-pass"):
        deop = tiny(stage)
        images, labels = scenes(deop)
        labels[:] = len(SEEN)
        with pytest.raises(ValueError, match=str(len(SEEN))):
            deop.loss(images, labels, deop.text_for(SEEN))


def test_any_number_of_classes_after_training_with_another() -> None:
    deop = tiny("one-pass")
    total(losses_of(deop, "one-pass")()).backward()
    deop.eval()
    images, _ = scenes(deop)
    with torch.no_grad():
        scores = deop.segment(images, deop.text_for(DATASET.vocabulary()))
    assert scores.class_scores.shape[-1] == len(DATASET.names) > len(SEEN)


# The user's mistakes.


@pytest.mark.parametrize(
    ("name", "choices"), [("prompt", {}), ("prompts", {"points": 0}), ("segmentation", {})]
)
def test_a_wrong_stage_says_what_would_be_right(name: str, choices: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"'prompts' without keywords, 'proposals' or 'one-pass'"):
        build(**TINY.config).begin_stage(name, **choices)


def test_losses_of_another_stage_are_refused() -> None:
    deop = build(**TINY.config)
    images, labels = scenes(deop)
    text = deop.text_for(SEEN)
    with pytest.raises(UsageError, match="begin_stage"):
        deop.loss(images, labels, text)
    with pytest.raises(UsageError, match="begin_stage"):
        deop.object_loss(*objects(), text)
    deop.begin_stage("prompts")
    with pytest.raises(UsageError, match="object crops"):
        deop.loss(images, labels, text)


def test_proposals_without_a_class_head_are_refused() -> None:
    headless = replace(TINY_SIZE, proposals=replace(TINY_SIZE.proposals, class_embed=()))
    with pytest.raises(UsageError, match=r"class_embed=\(\)"):
        build(headless).begin_stage("proposals")
