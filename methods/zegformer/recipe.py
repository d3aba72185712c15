"""How ZegFormer is trained on each dataset's seen classes. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage
from methods.parts.mask_former_recipe import (
    COCO_AUGMENTATION,
    MASKFORMER_LOSSES,
    OFFICIAL_ADAMW,
    SHAPES_LOSSES,
)
from methods.zegformer.card import CLIP_FILE

# The arrays of detectron2's R-50.pkl (torchvision's weights) and R-101.pkl (MSRA's), saved as safetensors under detectron2's
# names, which are ours below `backbone.`: a pickle would run code when read.
BACKBONES: Final = {"r50": "detectron2-r50.safetensors", "r101": "detectron2-r101.safetensors"}
SEGMENTATION: Final = "segmentation"

_COCO: Final = Stage(
    SEGMENTATION,
    iterations=60_000,
    batch=32,
    optimiser=OFFICIAL_ADAMW,
    schedule=Schedule("poly", power=0.9),
    augmentation=COCO_AUGMENTATION,
    choices=MASKFORMER_LOSSES,
)
# Short sides 0.5 to 2.0 times 512, in tenths. 30,000 iterations: the authors call the paper's 10,000 "not stable".
_VOC: Final = replace(
    _COCO,
    iterations=30_000,
    augmentation=Augmentation(
        tuple(int(tenth * 0.1 * 512) for tenth in range(5, 21)), 2048, 512, flip=True, colour=True
    ),
)
# Ours: what two cores do in less than 12 minutes; nothing is pretrained, so that all learns at one rate.
_SHAPES: Final = Stage(
    SEGMENTATION,
    iterations=2_000,
    batch=16,
    optimiser=Optimiser(
        "AdamW",
        lr=1e-3,
        weight_decay=0.05,
        groups=(ParameterGroup("norm", decay=0.0), ParameterGroup("embedding", decay=0.0)),
        clip_norm=1.0,
    ),
    schedule=Schedule("poly", power=0.9, warmup=100),
    augmentation=Augmentation(crop=128, flip=True, quarter_turns=True),
    choices=SHAPES_LOSSES,
)


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `r101` or `r50` on `voc` and `coco-stuff`; `tiny` on `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if variant == "tiny" and dataset == "shapes":
        return Recipe((_SHAPES,), source="ours", clip="shapes")
    if variant in BACKBONES and dataset == "coco-stuff":
        return _official(variant, _COCO, "imagenet_select")
    if variant in BACKBONES and dataset == "voc":
        return _official(variant, _VOC, "single")
    raise UsageError(
        f"zegformer/{variant} has no recipe for {dataset}: r101 and r50 are trained on voc or coco-stuff, tiny on shapes"
    )


def _official(variant: str, stage: Stage, templates: str) -> Recipe:
    """Templates of training; the official R101 evaluation on COCO-Stuff takes one instead of these eight."""
    return Recipe(
        (stage,),
        source="CVPR 2022 paper and the numbers of the official configurations, as a description gives them",
        clip=CLIP_FILE,
        backbone=BACKBONES[variant],
        differences=(
            "mixed precision only where --amp asks for it; the authors use it on COCO-Stuff, not on VOC",
            "the trained model keeps the templates of its training; the authors' R101 on COCO-Stuff is trained with eight and "
            "evaluated with one",
            "on VOC 30,000 iterations, as the authors recommend since, not the paper's 10,000",
        ),
        config={"head_templates": templates},
    )
