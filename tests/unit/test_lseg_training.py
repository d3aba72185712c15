"""LSeg under training: what learns, that it learns, where it starts from, and the recipes' numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
from lseg_small import VIT
from pixel_lessons import ALL, changed, copied, taught
from scene_lessons import SEEN, scenes
from torch import nn
from torchvision.models import resnet101

from benchbed.errors import CheckpointError, UsageError
from benchbed.training.optimisers import make_optimiser, tuned
from methods.lseg import METHOD
from methods.lseg.model import LSeg, build
from methods.lseg.recipe import recipe

TINY = METHOD.default_variant(embedded=True)
STAGE = recipe("tiny", "shapes").stages[-1]


def tiny(seed: int = 0, **changes: Any) -> LSeg:
    torch.manual_seed(seed)
    segmenter: LSeg = build(**{**TINY.config, **changes}).train()
    return segmenter.begin_stage("pixels")


def test_a_few_steps_lower_the_loss_and_leave_the_text_tower_alone() -> None:
    lseg = tiny()
    before = copied(lseg)
    totals = taught(lseg, STAGE, 8)
    assert totals[-1] < 0.8 * totals[0], totals
    assert changed(before, lseg) == {name for name in before if not name.startswith("text.")}


def test_other_numbers_of_classes_in_training_and_test() -> None:
    """Trained on 15 classes, tested with all 20: the 15 keep their logits, since each is a cosine of its own."""
    lseg = tiny()
    taught(lseg, STAGE, 2)
    lseg.eval()
    images, _ = scenes(lseg, 1)
    with torch.no_grad():
        few = lseg.segment(images, lseg.text_for(SEEN)).logits
        many = lseg.segment(images, lseg.text_for(ALL)).logits
    assert (few.shape[1], many.shape[1]) == (15, 20)
    torch.testing.assert_close(many[:, torch.tensor(ALL.seen)], few, rtol=1e-3, atol=1e-3)


def test_bfloat16_gives_finite_float32_losses() -> None:
    lseg = tiny()
    images, labels = scenes(lseg)
    text = lseg.text_for(SEEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (loss,) = lseg.loss(images, labels, text).values()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_a_stage_frees_what_somebody_froze() -> None:
    lseg = tiny()
    for parameter in lseg.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    lseg.begin_stage("pixels")
    for name, parameter in lseg.named_parameters():
        assert parameter.requires_grad != name.startswith("text."), name


# Where it starts from.


def test_timms_vit_is_taken_over_block_by_block() -> None:
    vit = timm.models.VisionTransformer(
        img_size=VIT["table_image"],
        patch_size=VIT["patch"],
        embed_dim=VIT["width"],
        depth=VIT["layers"],
        num_heads=VIT["heads"],
        num_classes=5,
    ).eval()
    lseg = tiny(**VIT).eval()
    lseg.take_backbone(vit.state_dict())
    images = torch.randn(1, 3, 128, 128)
    seen: list[torch.Tensor] = []
    for block in vit.blocks:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        vit(images)
        levels, _ = lseg.encoder(images)  # type: ignore[misc]
    for level, expected in zip(levels, seen, strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


def test_a_vits_picture_features_are_its_last_blocks_patches() -> None:
    lseg, images = tiny(**VIT).eval(), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        tokens, _ = lseg.encoder(images)
        found = lseg.picture_features(images)
    assert found.shape == (2, VIT["width"], 8, 12)
    for y, x in ((0, 0), (3, 7), (7, 11)):
        assert torch.equal(found[:, :, y, x], tokens[-1][:, 1 + 12 * y + x])


def test_torchvisions_resnet_is_taken_over_stage_by_stage() -> None:
    net = resnet101(weights=None).eval()
    nn.init.uniform_(net.bn1.running_var, 1, 2)
    config = {**TINY.config, "encoder": "resnet101", "pyramid": (256, 512, 1024, 2048)}
    lseg: LSeg = build(**config).eval()
    lseg.take_backbone({n: v for n, v in net.state_dict().items() if not n.endswith("num_batches_tracked")})
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        stem = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        expected = net.layer4(net.layer3(net.layer2(net.layer1(stem))))
        torch.testing.assert_close(lseg.levels(images)[-1], expected, rtol=1e-4, atol=1e-4)


def test_a_backbone_of_another_size_is_refused() -> None:
    lseg = tiny()
    other = {name: value[..., :-1] for name, value in lseg.encoder.state_dict().items() if value.ndim}
    with pytest.raises(CheckpointError):
        lseg.take_backbone(other)


# Recipes.


def test_official_numbers() -> None:
    """train.sh and lsegmentation_module.py at bb00b21: 0.004 / 16 a card's image, ten times that for the decoder."""
    for dataset in ("voc", "coco-stuff"):
        found = recipe("vitl16", dataset)
        (stage,) = found.stages
        sgd = stage.optimiser
        assert (stage.name, stage.batch, sgd.name, sgd.lr, sgd.weight_decay) == (
            "pixels",
            16,
            "SGD",
            0.004 / 16,
            1e-4,
        )
        assert (stage.schedule.kind, stage.schedule.power) == ("poly", 0.9)
        assert (stage.augmentation.crop, stage.augmentation.flip, stage.augmentation.colour) == (
            480,
            True,
            False,
        )
        assert found.clip == "clip-vit-b32-openai.safetensors"
        assert "no seen/unseen training of LSeg was ever published" in found.differences[0]


def test_official_rates_reach_the_right_parameters() -> None:
    """`scratch.` is our decoder; the readout is below `pretrained.` in the authors' model, so at the encoder's rate."""
    with torch.device("meta"):
        lseg = build(**METHOD.variants[0].config).begin_stage("pixels")
    for each in tuned(lseg, recipe("vitl16", "voc").stages[0].optimiser):
        assert each.lr == (10 if each.name.startswith("decoder.") else 1), each.name
        assert each.name.startswith(("decoder.", "encoder.", "reassemble."))


@pytest.mark.parametrize("variant", ["vitl16", "vitb32", "rn101", "small", "tiny"])
def test_every_variant_has_a_recipe_whose_groups_fit_it(variant: str) -> None:
    dataset = {"tiny": "shapes"}.get(variant, "voc")
    found = recipe(variant, dataset)
    chosen = METHOD.variant(variant)
    assert chosen is not None
    with torch.device("meta"):
        lseg = build(**chosen.config_for(dataset))
    for stage in found.stages:
        make_optimiser(lseg.begin_stage(stage.name, **stage.choices), stage.optimiser)
    json.dumps(found.as_dict())


@pytest.mark.parametrize(
    ("variant", "dataset"), [("tiny", "voc"), ("vitl16", "shapes"), ("small", "coco-stuff"), ("vit", "voc")]
)
def test_pairs_without_a_recipe(variant: str, dataset: str) -> None:
    with pytest.raises(UsageError, match=f"lseg/{variant} has no recipe for {dataset}"):
        recipe(variant, dataset)


def test_stages_that_there_are_none_of() -> None:
    with pytest.raises(UsageError, match="'masks'"):
        tiny().begin_stage("masks")
    with pytest.raises(UsageError, match="depth"):
        tiny().begin_stage("pixels", depth=2)


def test_recipes_need_no_torch() -> None:
    code = "import sys, methods.lseg.recipe as r; r.recipe('vitl16', 'voc'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
