"""The bridge under training: what learns, that it learns, where it starts from, and the recipes' numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
from mmseg.registry import MODELS
from pixel_lessons import ALL, changed, copied, taught
from scene_lessons import SEEN, scenes
from torch import Tensor, nn

from benchbed.errors import CheckpointError, UsageError
from benchbed.training.optimisers import make_optimiser, tuned
from methods.bridge import METHOD
from methods.bridge.model import Bridge, build
from methods.bridge.recipe import recipe

STAGE = recipe("tiny", "shapes").stages[-1]
TINY, PLAIN = METHOD.variant("tiny"), METHOD.variant("tiny-plain")
assert TINY is not None
assert PLAIN is not None
BOTH = (dict(TINY.config), dict(PLAIN.config))


def begun(config: dict[str, Any], seed: int = 0) -> Bridge:
    torch.manual_seed(seed)
    segmenter: Bridge = build(**config).train()
    return segmenter.begin_stage("pixels")


@pytest.mark.parametrize("config", BOTH, ids=["bridge", "plain"])
def test_a_few_steps_lower_the_loss_and_leave_the_text_tower_alone(config: dict[str, Any]) -> None:
    bridge = begun(config)
    before = copied(bridge)
    totals = taught(bridge, STAGE, 8)
    assert totals[-1] < 0.7 * totals[0], totals
    assert changed(before, bridge) == {name for name in before if not name.startswith("text.")}


@pytest.mark.parametrize("config", BOTH, ids=["bridge", "plain"])
def test_other_numbers_of_classes_in_training_and_test(config: dict[str, Any]) -> None:
    """All 20 classes after training on 15. Without the bridge the 15 keep their logits; with it classes see each other."""
    bridge = begun(config)
    taught(bridge, STAGE, 2)
    bridge.eval()
    images, _ = scenes(bridge, 1)
    with torch.no_grad():
        few = bridge.segment(images, bridge.text_for(SEEN)).logits
        many = bridge.segment(images, bridge.text_for(ALL)).logits
    assert (few.shape[1], many.shape[1]) == (15, 20)
    same = torch.allclose(many[:, torch.tensor(ALL.seen)], few, rtol=1e-3, atol=1e-3)
    assert same == (bridge.size.layers == 0)


def test_bfloat16_gives_finite_float32_losses() -> None:
    bridge = begun(BOTH[0])
    images, labels = scenes(bridge)
    text = bridge.text_for(SEEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (loss,) = bridge.loss(images, labels, text).values()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_a_stage_frees_what_somebody_froze() -> None:
    bridge = begun(BOTH[0])
    for parameter in bridge.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    bridge.begin_stage("pixels")
    for name, parameter in bridge.named_parameters():
        assert parameter.requires_grad != name.startswith("text."), name


# Where it starts from.


def small(backbone: str) -> Bridge:
    torch.manual_seed(0)
    stages = (3, 4) if backbone.startswith("mobile") else (4,)
    segmenter: Bridge = build(**{**BOTH[1], "backbone": backbone, "stages": stages, "short_side": 64}).eval()
    return segmenter


def randomised(net: nn.Module) -> nn.Module:
    """Norms that a network with fresh ones would not pass for."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    net.eval()  # mmsegmentation's returns nothing
    return net


@pytest.mark.parametrize(
    ("backbone", "name", "side"),
    [("efficientformer-l1", "efficientformer_l1", 224), ("xception", "xception41", 64)],
)
def test_timms_classifiers_are_taken_over(backbone: str, name: str, side: int) -> None:
    net: Any = randomised(timm.create_model(name, pretrained=False))
    bridge = small(backbone)
    bridge.take_backbone(net.state_dict())
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        found = bridge.backbone(images)[-1]
        stem = net.stem(images)
        body = net.blocks if backbone == "xception" else net.stages
        expected = body(stem)
    if expected.ndim == 3:  # tokens
        expected = expected.transpose(1, 2).unflatten(2, (7, 7))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_openmmlabs_mobilenet_is_taken_over() -> None:
    """mmpretrain's names: `backbone.` in front, a last convolution to 1,280 channels and a classifier behind."""
    net = randomised(MODELS.build({"type": "mmseg.MobileNetV2", "out_indices": (4, 6)}))
    file: dict[str, Tensor] = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    file |= {"backbone.conv2.conv.weight": torch.ones(1280, 320, 1, 1), "head.fc.weight": torch.ones(3, 1280)}
    bridge = small("mobilenetv2")
    bridge.take_backbone(file)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(bridge.backbone(images)[-1], net(images)[-1], rtol=1e-4, atol=1e-4)
    with pytest.raises(CheckpointError):
        small("mobilenetv2-half").take_backbone(file)


# Recipes.


def test_denseclips_numbers() -> None:
    """denseclip.md: 80k iterations of 4 x 8 images, AdamW 1e-4, decay 1e-4, backbone 0.1, norms undecayed, warm-up 1500."""
    stage = recipe("mobilenetv2", "coco-stuff").stages[0]
    assert (stage.name, stage.iterations, stage.batch) == ("pixels", 80_000, 32)
    assert (stage.optimiser.name, stage.optimiser.lr, stage.optimiser.weight_decay) == ("AdamW", 1e-4, 1e-4)
    assert (stage.schedule.kind, stage.schedule.power) == ("poly", 0.9)
    assert (stage.schedule.warmup, stage.schedule.warmup_factor) == (1500, 1e-6)
    assert (
        stage.augmentation.crop,
        stage.augmentation.short_sides[0],
        stage.augmentation.short_sides[-1],
    ) == (
        512,
        256,
        1024,
    )


def test_rates_reach_the_right_parameters() -> None:
    with torch.device("meta"):
        bridge = build(**METHOD.variants[0].config).begin_stage("pixels")
    norms = {
        f"{name}.{own}"
        for name, module in bridge.named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
        for own in ("weight", "bias")
    }
    for each in tuned(bridge, recipe("mobilenetv2", "voc").stages[0].optimiser):
        assert each.lr == (0.1 if each.name.startswith("backbone.") else 1), each.name
        assert each.decay == (0 if each.name in norms else 1), each.name


@pytest.mark.parametrize("variant", [each.name for each in METHOD.variants])
def test_every_variant_has_a_recipe_whose_groups_fit_it_and_a_plain_twin_with_the_same(variant: str) -> None:
    dataset = "shapes" if variant.startswith("tiny") else "voc"
    found = recipe(variant, dataset)
    chosen = METHOD.variant(variant)
    assert chosen is not None
    with torch.device("meta"):
        bridge = build(**chosen.config_for(dataset))
    for stage in found.stages:
        make_optimiser(bridge.begin_stage(stage.name, **stage.choices), stage.optimiser)
    json.dumps(found.as_dict())
    assert recipe(variant.removesuffix("-plain"), dataset) == found


@pytest.mark.parametrize(("variant", "dataset"), [("tiny", "voc"), ("xception", "shapes"), ("mobile", "voc")])
def test_pairs_without_a_recipe(variant: str, dataset: str) -> None:
    with pytest.raises(UsageError, match=f"bridge/{variant} has no recipe for {dataset}"):
        recipe(variant, dataset)


def test_stages_that_there_are_none_of() -> None:
    with pytest.raises(UsageError, match="'masks'"):
        begun(BOTH[1]).begin_stage("masks")
    with pytest.raises(UsageError, match="layers"):
        begun(BOTH[1]).begin_stage("pixels", layers=1)


def test_recipes_need_no_torch() -> None:
    code = "import sys, methods.bridge.recipe as r; r.recipe('xception', 'voc'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
