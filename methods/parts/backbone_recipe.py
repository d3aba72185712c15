"""The stages that stand for ImageNet on `shapes`: a backbone learns to see, from seen classes alone. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Schedule, Stage

BACKBONE: Final = "backbone"
# Ours. From random weights a mask method's class head learned nothing in 2,000 steps of scenes (0.7 % seen mIoU).
PICTURES: Final = Stage(
    BACKBONE,
    iterations=750,
    batch=64,
    optimiser=Optimiser(
        "AdamW",
        lr=2e-3,
        weight_decay=0.05,
        groups=(ParameterGroup("norm", decay=0.0), ParameterGroup("bias", decay=0.0)),
        clip_norm=1.0,
    ),
    schedule=Schedule("cosine", warmup=100),
    samples="pictures",
    backbone=True,
)
_SCENES: Final = replace(
    PICTURES,
    iterations=1_500,
    batch=16,
    optimiser=replace(PICTURES.optimiser, lr=1e-3),
    schedule=Schedule("cosine", warmup=50),
    augmentation=Augmentation(crop=128, flip=True, quarter_turns=True),
    samples="scenes",
)
SHAPES_BACKBONE: Final = (PICTURES, _SCENES)
