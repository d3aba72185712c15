"""DeOP's recipes: the published numbers, and what is ours."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import pytest

from benchbed.errors import UsageError
from benchbed.registry import resolve
from benchbed.training.recipe import Stage
from methods.deop import METHOD
from methods.deop.pixel_losses import PixelLosses
from methods.deop.recipe import ONE_PASS_LOSSES, recipe
from methods.deop.training import OnePassStage, deop_stage
from methods.parts.set_criterion import MASKFORMER, CriterionSettings

STAGES = {stage.name: stage for stage in recipe("tiny", "shapes").stages if not stage.backbone}


def test_official_losses_are_the_defaults() -> None:
    _, proposals, one_pass = recipe("r101c-vit-b16", "coco-stuff").stages
    assert CriterionSettings(**proposals.choices) == replace(MASKFORMER, class_cost=0.0)
    stage = deop_stage("one-pass", one_pass.choices)
    assert stage == OnePassStage(PixelLosses())
    named = {**asdict(PixelLosses()), "freeze_prompt": False, "proposal_dropout": True}
    assert {key: named[key] for key in ONE_PASS_LOSSES} == dict(ONE_PASS_LOSSES)


def numbers(stage: Stage) -> tuple[Any, ...]:
    optimiser = stage.optimiser
    return (
        stage.iterations,
        stage.batch,
        optimiser.name,
        optimiser.lr,
        optimiser.weight_decay,
        optimiser.clip_norm,
    )


def test_published_numbers() -> None:
    """deop.md, section 3."""
    prompts, proposals, one_pass = recipe("r101c-vit-b16", "coco-stuff").stages
    assert numbers(prompts) == (16_000, 32, "SGD", 0.02, 5e-4, None)
    assert (prompts.samples, prompts.objects_per_class, prompts.object_side) == ("objects", 32, 224)
    assert numbers(proposals) == (60_000, 32, "AdamW", 1e-4, 1e-4, 0.01)
    assert proposals.augmentation.crop == 640
    assert numbers(one_pass) == (60_000, 16, "AdamW", 2e-4, 1e-4, 0.01)
    assert one_pass.augmentation.crop == 512
    sides = one_pass.augmentation.short_sides
    assert (sides[0], sides[-1]) == (256, 768)
    assert {b - a for a, b in pairwise(sides)} == {51, 52}


def test_what_is_ours_says_so() -> None:
    for variant, dataset in (("r101c-vit-b16", "voc"), ("tiny", "shapes")):
        assert recipe(variant, dataset).source.startswith("ours")
    assert CriterionSettings(**STAGES["proposals"].choices).ignored == "negative"
    assert STAGES["one-pass"].choices["ignored"] == "left-out"


@pytest.mark.parametrize(("variant", "dataset"), [("tiny", "voc"), ("r101c-vit-b16", "shapes"), ("x", "voc")])
def test_a_missing_recipe_names_those_there_are(variant: str, dataset: str) -> None:
    with pytest.raises(UsageError, match=f"deop/{variant} has no recipe for {dataset}: r101c-vit-b16 is"):
        recipe(variant, dataset)


def test_the_card_names_the_recipe_which_is_plain_and_free_of_torch() -> None:
    assert resolve(METHOD.recipe) is recipe
    for variant, dataset in (("r101c-vit-b16", "voc"), ("r101c-vit-b16", "coco-stuff"), ("tiny", "shapes")):
        json.dumps(recipe(variant, dataset).as_dict())
    program = "import sys, methods.deop.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
