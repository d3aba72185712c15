"""How ZegFormer is trained on each dataset's seen classes. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Recipe, Stage
from methods.parts.backbone_recipe import SHAPES_BACKBONE
from methods.parts.mask_former_recipe import COCO, SHAPES
from methods.zegformer.card import CLIP_FILE

# The arrays of detectron2's R-50.pkl (torchvision's weights) and R-101.pkl (MSRA's), saved as safetensors under detectron2's
# names, which are ours below `backbone.`: a pickle would run code when read.
BACKBONES: Final = {"r50": "detectron2-r50.safetensors", "r101": "detectron2-r101.safetensors"}
# Short sides 0.5 to 2.0 times 512, in tenths. 30,000 iterations: the authors call the paper's 10,000 "not stable".
_VOC: Final = replace(
    COCO,
    iterations=30_000,
    augmentation=Augmentation(
        tuple(int(tenth * 0.1 * 512) for tenth in range(5, 21)), 2048, 512, flip=True, colour=True
    ),
)
# Of COCO-Stuff: on VOC the authors train in float32, with one template for training and evaluation; R50 keeps eight for both.
_AMP: Final = "mixed precision only where --amp asks for it; the authors use it"
_TEMPLATES: Final = (
    "the trained model keeps the eight templates of its training; the authors evaluate with one"
)
# Of VOC.
_ITERATIONS: Final = "30,000 iterations, as the authors recommend since, not the paper's 10,000"


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `r101` or `r50` on `voc` and `coco-stuff`; `tiny` on `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if variant == "tiny" and dataset == "shapes":
        # 3,500 steps of masks without mixed precision gave 64.4 / 46.3 % seen / unseen mIoU with seed 0; two cores take
        # about 17 minutes for them (from 250 steps).
        return Recipe(
            (*SHAPES_BACKBONE, replace(SHAPES, iterations=2_600)), source="ours", clip="shapes", amp=True
        )
    if variant in BACKBONES and dataset == "coco-stuff":
        differences = (_AMP, _TEMPLATES) if variant == "r101" else (_AMP,)
        return _official(variant, COCO, "imagenet_select", differences)
    if variant in BACKBONES and dataset == "voc":
        return _official(variant, _VOC, "single", (_ITERATIONS,))
    raise UsageError(
        f"zegformer/{variant} has no recipe for {dataset}: r101 and r50 are trained on voc or coco-stuff, tiny on shapes"
    )


def _official(variant: str, stage: Stage, templates: str, differences: tuple[str, ...]) -> Recipe:
    """`templates`: of training, which the trained model keeps."""
    return Recipe(
        (stage,),
        source="CVPR 2022 paper and the numbers of the official configurations, as a description gives them",
        clip=CLIP_FILE,
        backbone=BACKBONES[variant],
        differences=differences,
        config={"head_templates": templates},
    )
