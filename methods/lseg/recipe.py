"""How LSeg is trained on each dataset's seen classes. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage
from methods.parts.backbone_recipe import PICTURES
from methods.parts.pixel_recipe import CLIP_B16, CLIP_B32, PIXELS, SHAPES

# timm's ViTs (Hugging Face: timm/<name>, file model.safetensors), and torchvision's first ResNet-101.
BACKBONES: Final = {
    "vitl16": "vit_large_patch16_384.augreg_in21k_ft_in1k.safetensors",
    "vitb32": "vit_base_patch32_384.augreg_in21k_ft_in1k.safetensors",
    "rn101": "resnet101-63fe2227.pth",
}
# train.sh and lsegmentation_module.py: base_lr 0.004 / 16 for all below `pretrained.`, ten times that for `scratch.`. The rate
# is made for one image a card, with two steps summed; on eight cards (issue 17) that is 16 images an update.
OFFICIAL_SGD: Final = Optimiser(
    "SGD", lr=2.5e-4, weight_decay=1e-4, momentum=0.9, groups=(ParameterGroup("decoder.", lr=10.0),)
)
_VOC: Final = Stage(
    PIXELS,
    iterations=20_000,
    batch=16,
    optimiser=OFFICIAL_SGD,
    schedule=Schedule("poly", power=0.9),
    # The longer side 0.5 to 2 times 520: of a photo of 4 to 3 that is a shorter one of 195 to 780.
    augmentation=Augmentation(tuple(range(195, 781, 39)), 1040, 480, flip=True),
)
_COCO: Final = replace(_VOC, iterations=60_000)
# Ours, for a few hundred photos and nothing pretrained: a check that the recipe learns on real data, not a result. One core
# does it in about 12 minutes; sides are those of the variant's input, 160, and around.
_SMALL: Final = replace(
    SHAPES,
    iterations=1_200,
    batch=8,
    augmentation=Augmentation(tuple(range(112, 225, 16)), 448, 128, flip=True, colour=True),
)
_SOURCE: Final = (
    "isl-org/lang-seg bb00b21, train.sh (ADE20K, all labels), with cross entropy over seen classes alone"
)
_DIFFERENCES: Final = (
    "no seen/unseen training of LSeg was ever published: ADE20K's recipe is carried over; the iterations are ours, those of the "
    "mask methods on the same data, where ADE20K's 240 epochs would be 22,000 on VOC's own train list and 1.8 million on COCO's",
    "the shorter side is drawn, in steps of 39 pixels; the authors draw the longer one",
    "images smaller than the crop are padded with grey (128), not black; both are ignored",
    "the learning rate falls in every iteration, not in every epoch",
    "batch norm counts over the images of one process; the authors synchronise it over cards",
)


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `vitl16`, `vitb32` or `rn101` on `voc` and `coco-stuff`; `small` on `voc`; `tiny` on `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if (variant, dataset) == ("tiny", "shapes"):
        return Recipe((PICTURES, SHAPES), source="ours", clip="shapes", amp=True)
    if (variant, dataset) == ("small", "voc"):
        return Recipe((_SMALL,), source="ours", clip=CLIP_B16, amp=True)
    stages = {"voc": _VOC, "coco-stuff": _COCO}
    if variant not in BACKBONES or dataset not in stages:
        raise UsageError(
            f"lseg/{variant} has no recipe for {dataset}: vitl16, vitb32 and rn101 are trained on voc or coco-stuff, "
            "small on voc, tiny on shapes"
        )
    return Recipe((stages[dataset],), _SOURCE, CLIP_B32, BACKBONES[variant], _DIFFERENCES)
