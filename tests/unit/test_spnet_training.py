"""SPNet under training: what learns, that it learns, frozen norms, and the recipes' numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from pixel_lessons import ALL, changed, copied, taught
from scene_lessons import SEEN, scenes
from torch import nn

from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.training.initial_weights import take_backbone
from benchbed.training.optimisers import make_optimiser, tuned
from methods.spnet import METHOD
from methods.spnet.model import SPNet, build
from methods.spnet.recipe import recipe

TINY = METHOD.variant("tiny")
assert TINY is not None
STAGE = recipe("tiny", "shapes").stages[-1]
# A full-size SPNet's rules at a size that a test can afford.
FROZEN: dict[str, Any] = {"depth": 18, "width": 8, "text": "tiny", "rates": (1, 2), "side": 65}


def tiny(seed: int = 0, **changes: Any) -> SPNet:
    torch.manual_seed(seed)
    assert TINY is not None
    segmenter: SPNet = build(**{**TINY.config, **changes}).train()
    return segmenter.begin_stage("pixels")


def is_norm(name: str) -> bool:
    return ".bn" in name or ".downsample.1." in name


def test_a_few_steps_lower_the_loss_and_leave_the_text_tower_alone() -> None:
    spnet = tiny()
    before = copied(spnet)
    totals = taught(spnet, STAGE, 8)
    assert totals[-1] < 0.6 * totals[0], totals
    expected = {name for name in before if not name.startswith("text.")}
    assert changed(before, spnet) == expected


def test_other_numbers_of_classes_in_training_and_test() -> None:
    """Trained on 15 classes, tested with all 20: the 15 keep their logits, since each is a product of its own."""
    spnet = tiny()
    taught(spnet, STAGE, 2)
    spnet.eval()
    images, _ = scenes(spnet, 1)
    with torch.no_grad():
        few = spnet.segment(images, spnet.text_for(SEEN)).logits
        many = spnet.segment(images, spnet.text_for(ALL)).logits
    assert (few.shape[1], many.shape[1]) == (15, 20)
    torch.testing.assert_close(many[:, torch.tensor(ALL.seen)], few, rtol=1e-3, atol=1e-3)


def test_a_norm_that_is_not_frozen_learns_statistics_and_a_frozen_one_keeps_them() -> None:
    torch.manual_seed(0)
    frozen = build(**FROZEN).train().begin_stage("pixels")
    before = copied(frozen)
    taught(frozen, STAGE_OF_R101, 2)
    moved = changed(before, frozen)
    assert not [name for name in moved if is_norm(name) or name.startswith("text.")]
    assert {"backbone.conv1.weight", "aspp.branches.0.bias"} <= moved
    free = tiny()
    before = copied(free)
    taught(free, STAGE, 1)
    assert {"backbone.bn1.running_mean", "backbone.bn1.weight"} <= changed(before, free)


STAGE_OF_R101 = recipe("r101", "voc").stages[0]


def test_a_stage_frees_what_somebody_froze_and_freezes_norms_again() -> None:
    frozen = build(**FROZEN)
    for parameter in frozen.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    frozen.begin_stage("pixels")
    for name, parameter in frozen.named_parameters():
        assert parameter.requires_grad == (not name.startswith("text.") and not is_norm(name)), name


def test_bfloat16_gives_finite_float32_losses() -> None:
    spnet = tiny()
    images, labels = scenes(spnet)
    text = spnet.text_for(SEEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = spnet.loss(images, labels, text)
    for loss in losses.values():
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)


def test_a_backbone_file_by_its_usual_names(tmp_path: Any) -> None:
    """OpenMMLab's classifiers: mmsegmentation's names, and a classifier to leave out."""
    source, target = (build(**FROZEN) for _ in range(2))
    nn.init.uniform_(source.backbone.bn1.running_var, 1, 2)  # type: ignore[arg-type, union-attr]
    file = {name: value for name, value in source.backbone.state_dict().items() if "num_batches" not in name}
    torch.save({"state_dict": {**file, "fc.weight": torch.ones(3, 64)}}, tmp_path / "resnet.pth")
    take_backbone(target, tmp_path / "resnet.pth")
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(target.backbone.state_dict()[name], value), name


# Recipes.


def test_official_numbers() -> None:
    """config/voc12/ZLSS.yaml, config/cocostuff/ZLSS.yaml, train.py at 292ff5a."""
    for dataset, iterations in (("voc", 20_000), ("coco-stuff", 100_000)):
        found = recipe("r101", dataset)
        (stage,) = found.stages
        assert (stage.name, stage.iterations, stage.batch) == ("pixels", iterations, 10)
        sgd = stage.optimiser
        assert (sgd.name, sgd.lr, sgd.momentum, sgd.weight_decay) == ("SGD", 2.5e-4, 0.9, 5e-4)
        assert (stage.schedule.kind, stage.schedule.power, stage.schedule.warmup) == ("poly", 0.9, 0)
        assert stage.augmentation.crop == 321
        assert (stage.augmentation.short_sides[0], stage.augmentation.short_sides[-1]) == (256, 769)
        assert found.backbone == "resnet101_msra-6cc46731.pth"
        assert found.differences
        assert recipe("r101-c", dataset) == found
        assert recipe("r50", dataset).stages == found.stages


def test_official_rates_reach_the_right_parameters() -> None:
    """Convolutions 1x, the pyramid's weights 10x, its biases 20x and without decay; nothing else is in the optimiser."""
    with torch.device("meta"):
        spnet = build(**METHOD.variants[0].config).begin_stage("pixels")
    for each in tuned(spnet, STAGE_OF_R101.optimiser):
        pyramid, bias = each.name.startswith("aspp."), each.name.endswith(".bias")
        assert (each.lr, each.decay) == ((20 if bias else 10) if pyramid else 1, 0 if bias else 1), each.name
        assert pyramid or ".conv" in each.name or ".downsample.0." in each.name


@pytest.mark.parametrize("variant", ["r101", "r101-c", "r50", "small", "tiny"])
def test_every_variant_has_a_recipe_whose_groups_fit_it(variant: str) -> None:
    dataset = {"tiny": "shapes"}.get(variant, "voc")
    found = recipe(variant, dataset)
    chosen = METHOD.variant(variant)
    assert chosen is not None
    with torch.device("meta"):
        spnet = build(**chosen.config_for(dataset))
    for stage in found.stages:
        make_optimiser(spnet.begin_stage(stage.name, **stage.choices), stage.optimiser)
    json.dumps(found.as_dict())


@pytest.mark.parametrize(
    ("variant", "dataset"), [("tiny", "voc"), ("r101", "shapes"), ("small", "coco-stuff"), ("r", "voc")]
)
def test_pairs_without_a_recipe(variant: str, dataset: str) -> None:
    with pytest.raises(UsageError, match=f"spnet/{variant} has no recipe for {dataset}"):
        recipe(variant, dataset)


def test_stages_that_there_are_none_of() -> None:
    with pytest.raises(UsageError, match="'masks'"):
        tiny().begin_stage("masks")
    with pytest.raises(UsageError, match="pyramid"):
        tiny().begin_stage("pixels", pyramid=())


def test_recipes_need_no_torch() -> None:
    code = "import sys, methods.spnet.recipe as r; r.recipe('r101', 'voc'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_given_vectors_are_trained_against_and_never_change() -> None:
    """Real training without a text tower: a table of the classes' vectors alone."""
    generator = torch.Generator().manual_seed(1)
    spnet = tiny(embeddings={name: torch.randn(12, generator=generator) for name in ALL.names})
    before = copied(spnet)
    totals = taught(spnet, STAGE, 6)
    assert totals[-1] < 0.7 * totals[0], totals
    moved = changed(before, spnet)
    assert "words.vectors" not in moved
    assert not spnet.trains_text
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), spnet.input_spec)
    assert spnet.eval().segment(images, spnet.text_for(ALL)).logits.shape[1] == 20
