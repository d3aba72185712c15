"""How SimSeg is trained on each dataset's seen classes: the crop stream's prompt, then the segmenter. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Recipe, Stage
from methods.parts.backbone_recipe import SHAPES_BACKBONE
from methods.parts.mask_former_recipe import (
    COCO,
    COCO_AUGMENTATION,
    COCO_PROMPTS,
    PROMPTS,
    SHAPES,
    SHAPES_PROMPTS,
)
from methods.simseg.settings import VOC_15

# The same file that MaskCLIP and ZegFormer start from.
CLIP_FILE: Final = "clip-vit-b16-openai.safetensors"
# The arrays of detectron2's DeepLab/R-103.pkl (R101 with the 3x3x3 stem) and R-50.pkl (torchvision's), saved as safetensors under
# detectron2's names, which are ours below `backbone.`: a pickle would run code when read.
BACKBONES: Final = {
    "r101c": "detectron2-r103.safetensors",
    "r101c-vild": "detectron2-r103.safetensors",
    "r50": "detectron2-r50.safetensors",
}
SOURCE: Final = "MendelXu/zsseg.baseline d77c3af, configs/{}"

_VOC_PROMPTS: Final = replace(COCO_PROMPTS, iterations=3_200, objects_per_class=128)
_VOC: Final = replace(
    COCO,
    iterations=20_000,
    batch=16,
    augmentation=replace(COCO_AUGMENTATION, longest_side=2048, crop=512),
)
_CROP_FILL: Final = (
    "objects stand on CLIP's mean colour, as at inference; the authors fill in its number after normalisation"
)
_CROP_SIDE: Final = (
    "objects of 224 x 224 pixels; the authors' are 244 high, which CLIP's position table is stretched for"
)


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `r101c` or `r50` on `voc` and `coco-stuff`, `r101c-vild` on `coco-stuff`; `tiny` on `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if (variant, dataset) == ("tiny", "shapes"):
        # 4,000 steps of masks without mixed precision gave 72.3 / 44.3 % seen / unseen mIoU with seed 0, these 66.9 / 42.8 in
        # half of the time.
        return Recipe(
            (SHAPES_PROMPTS, *SHAPES_BACKBONE, SHAPES),
            source="ours",
            clip="shapes",
            amp=True,
        )
    if (variant, dataset) == ("r101c-vild", "coco-stuff"):
        # The README's cross-dataset model: hand-written prompts, hence one stage, and twice the iterations.
        return _official(variant, (replace(COCO, iterations=120_000),), "coco-stuff-164k-156, cross_dataset")
    if variant in ("r101c", "r50") and dataset == "coco-stuff":
        return _official(variant, (COCO_PROMPTS, COCO), "coco-stuff-164k-156")
    if variant in ("r101c", "r50") and dataset == "voc":
        return _official(variant, (_VOC_PROMPTS, _VOC), "voc-11k-15", VOC_15)
    raise UsageError(
        f"simseg/{variant} has no recipe for {dataset}: r101c and r50 are trained on voc or coco-stuff, "
        "r101c-vild on coco-stuff, tiny on shapes"
    )


def _official(
    variant: str,
    stages: tuple[Stage, ...],
    configurations: str,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    prompts = any(stage.name == PROMPTS for stage in stages)
    return Recipe(
        stages,
        source=SOURCE.format(configurations),
        clip=CLIP_FILE,
        backbone=BACKBONES[variant],
        differences=(_CROP_FILL, _CROP_SIDE) if prompts else (),
        config=config,
    )
