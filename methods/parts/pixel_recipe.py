"""What the recipes of the pixel-level methods share: their one stage, CLIP's file, the training on `shapes`. Free of torch."""

from __future__ import annotations

from typing import Final

from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Schedule, Stage

PIXELS: Final = "pixels"
# The same files that MaskCLIP and the mask methods start from.
CLIP_B16: Final = "clip-vit-b16-openai.safetensors"
CLIP_B32: Final = "clip-vit-b32-openai.safetensors"

# Ours: what two cores do in less than 12 minutes, after `backbone_recipe.PICTURES`.
# A crop of 128 keeps every scene whole but for the longer side of the oblong ones.
SHAPES: Final = Stage(
    PIXELS,
    iterations=3_000,
    batch=16,
    optimiser=Optimiser(
        "AdamW",
        lr=1e-3,
        weight_decay=0.05,
        groups=(ParameterGroup("norm", decay=0.0), ParameterGroup("bias", decay=0.0)),
        clip_norm=1.0,
    ),
    schedule=Schedule("cosine", warmup=100),
    augmentation=Augmentation(crop=128, flip=True, quarter_turns=True),
)
