"""How the bridge is trained on each dataset's seen classes; `X` and `X-plain` alike, so that they compare. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage
from methods.parts.backbone_recipe import PICTURES
from methods.parts.pixel_recipe import CLIP_B16, PIXELS, SHAPES

# ImageNet's: OpenMMLab's MobileNetV2 (mmengine's hub: mmcls' mobilenet_v2) and timm's others (Hugging Face: timm/<name>, file
# model.safetensors).
BACKBONES: Final = {
    "mobilenetv2": "mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth",
    "efficientformer-l1": "efficientformer_l1.snap_dist_in1k.safetensors",
    "xception": "xception41.tf_in1k.safetensors",
}
# DenseCLIP's configurations for ADE20K: AdamW, the backbone at a tenth, norms without decay, 1,500 iterations of warm-up.
_COCO: Final = Stage(
    PIXELS,
    iterations=80_000,
    batch=32,
    optimiser=Optimiser(
        "AdamW",
        lr=1e-4,
        weight_decay=1e-4,
        groups=(ParameterGroup("backbone.", lr=0.1), ParameterGroup("norm", decay=0.0)),
    ),
    schedule=Schedule("poly", power=0.9, warmup=1_500, warmup_factor=1e-6),
    # 0.5 to 2 times 512, in eighths.
    augmentation=Augmentation(tuple(range(256, 1025, 64)), 4096, 512, flip=True, colour=True),
)
# Ours: a dataset a tenth of COCO-Stuff's size; the iterations and batch of the mask methods on it.
_VOC: Final = replace(_COCO, iterations=20_000, batch=16)
# A MobileNetV2 learns shapes later than a ResNet: 750 steps at 0.002 left it at a loss of ln 4, the four shapes guessed.
_PICTURES: Final = replace(PICTURES, iterations=1_500, optimiser=replace(PICTURES.optimiser, lr=6e-3))
_SOURCE: Final = (
    "ours, after DenseCLIP's (80,000 iterations of 32 images, AdamW): the paper's recipe could not be read"
)


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset; the same for `X-plain` as for `X`.

    Args:
        variant: `mobilenetv2`, `efficientformer-l1` or `xception` on `voc` and `coco-stuff`, `tiny` on `shapes`; with or
            without `-plain`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    body = variant.removesuffix("-plain")
    if (body, dataset) == ("tiny", "shapes"):
        return Recipe((_PICTURES, SHAPES), source="ours", clip="shapes")
    stages = {"voc": _VOC, "coco-stuff": _COCO}
    if body not in BACKBONES or dataset not in stages:
        raise UsageError(
            f"bridge/{variant} has no recipe for {dataset}: mobilenetv2, efficientformer-l1 and xception are trained on voc or "
            "coco-stuff, tiny on shapes, each with and without -plain"
        )
    return Recipe((stages[dataset],), _SOURCE, CLIP_B16, BACKBONES[body])
