"""How SPNet is trained on each dataset's seen classes. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage
from methods.parts.backbone_recipe import PICTURES
from methods.parts.pixel_recipe import CLIP_B16, PIXELS, SHAPES

# MSRA's Caffe ResNets as OpenMMLab keeps them (mmengine's hub: detectron2/resnet101_caffe, resnet50_caffe); their names are ours.
BACKBONES: Final = {"r101": "resnet101_msra-6cc46731.pth", "r50": "resnet50_msra-5891d200.pth"}
# train.py, get_params: the pyramid's weights at ten times the rate, its biases at twenty times and without decay. No
# other bias is trained: norms are frozen.
OFFICIAL_SGD: Final = Optimiser(
    "SGD",
    lr=2.5e-4,
    weight_decay=5e-4,
    momentum=0.9,
    groups=(ParameterGroup("aspp.", lr=10.0), ParameterGroup("bias", lr=2.0, decay=0.0)),
)
_VOC: Final = Stage(
    PIXELS,
    iterations=20_000,
    batch=10,
    optimiser=OFFICIAL_SGD,
    schedule=Schedule("poly", power=0.9),
    # 0.5 to 1.5 times 513, in twentieths.
    augmentation=Augmentation(tuple(513 * step // 20 for step in range(10, 31)), 2565, 321, flip=True),
)
# BATCH_SIZE 5, ITER_SIZE 2: ten images an update.
_COCO: Final = replace(_VOC, iterations=100_000)
# Ours, for a few hundred photos and nothing pretrained: a check that the recipe learns on real data, not a result. One core
# does it in about 12 minutes; sides are those of the variant's input, 160, and around.
_SMALL: Final = replace(
    SHAPES,
    iterations=1_200,
    batch=8,
    # At the backbone's rate the loss first rose to twice its first value: each output of the pyramid sums 9,216 products.
    optimiser=replace(SHAPES.optimiser, groups=(ParameterGroup("aspp.", lr=0.1), *SHAPES.optimiser.groups)),
    augmentation=Augmentation(tuple(range(112, 225, 16)), 448, 128, flip=True, colour=True),
)
_DIFFERENCES: Final = (
    "class vectors are CLIP's text embeddings; the authors' are fastText and word2vec, which `embeddings=` takes",
    "the backbone is MSRA's ResNet in OpenMMLab's copy, its norms' statistics folded into their scales; the authors start from "
    "deeplab-pytorch's deeplabv2_resnet101_init.pth",
    "images keep their shape, with the shorter side 0.5 to 1.5 times 513; the authors warp them to 513 x 513 first",
    "images smaller than the crop are padded at the right and bottom with grey (128), not around with the mean colour",
    "the learning rate falls in every iteration, not in every tenth",
)


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `r101`, `r101-c` (whose training is `r101`'s) or `r50` on `voc` and `coco-stuff`; `small` on `voc`; `tiny` on
            `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if (variant, dataset) == ("tiny", "shapes"):
        return Recipe((PICTURES, SHAPES), source="ours", clip="shapes", amp=True)
    if (variant, dataset) == ("small", "voc"):
        return Recipe((_SMALL,), source="ours", clip=CLIP_B16, amp=True)
    stages = {"voc": (_VOC, "voc12"), "coco-stuff": (_COCO, "cocostuff")}
    backbone = BACKBONES.get(variant.removesuffix("-c"), "")
    if not backbone or dataset not in stages:
        raise UsageError(
            f"spnet/{variant} has no recipe for {dataset}: r101, r101-c and r50 are trained on voc or coco-stuff, small on voc, "
            "tiny on shapes"
        )
    stage, folder = stages[dataset]
    return Recipe(
        (stage,),
        source=f"subhc/SPNet 292ff5a, config/{folder}/ZLSS.yaml and train.py",
        clip=CLIP_B16,
        backbone=backbone,
        differences=_DIFFERENCES,
    )
