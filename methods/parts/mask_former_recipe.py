"""What the recipes of MaskFormer's children share: loss numbers, optimiser, sizes. Plain data, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup

# `methods.parts.set_criterion.MASKFORMER` in full, as keywords of `CriterionSettings` (a test holds both together):
# zsseg.baseline's and ZegFormer's configurations, CE 1 with no-object 0.1, focal 20, dice 1, the matcher's costs the same.
MASKFORMER_LOSSES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "class_weight": 1.0,
        "mask_weight": 20.0,
        "dice_weight": 1.0,
        "class_cost": 1.0,
        "mask_cost": 20.0,
        "dice_cost": 1.0,
        "no_object_weight": 0.1,
        "pixel_loss": "focal",
        "points": 0,
    }
)
# On `shapes` ground and unseen objects are ignored alike: were they negatives, unseen objects would be taught to be ground.
# Losses at a quarter of the side are 16 times cheaper, which two cores feel.
SHAPES_LOSSES: Final[Mapping[str, Any]] = MappingProxyType(
    {**MASKFORMER_LOSSES, "ignored": "left-out", "resolution": "logits"}
)

# WEIGHT_DECAY_NORM, WEIGHT_DECAY_EMBED, BACKBONE_MULTIPLIER, CLIP_GRADIENTS (full_model) of every configuration of either.
OFFICIAL_ADAMW: Final = Optimiser(
    "AdamW",
    lr=1e-4,
    weight_decay=1e-4,
    groups=(
        ParameterGroup("norm", decay=0.0),
        ParameterGroup("embedding", decay=0.0),
        ParameterGroup("backbone.", lr=0.1),
    ),
    clip_norm=0.01,
)
# COCO-Stuff: MIN_SIZE_TRAIN 320 to 960 by 64, crop 640, SSD's colours.
COCO_AUGMENTATION: Final = Augmentation(tuple(range(320, 961, 64)), 2560, 640, flip=True, colour=True)
