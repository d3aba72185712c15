"""How SAN is trained on each dataset's seen classes. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from benchbed.errors import UsageError
from benchbed.training.recipe import Augmentation, Optimiser, ParameterGroup, Recipe, Schedule, Stage

SIDE_ADAPTER: Final = "side-adapter"
# ViT-B/16's is the same file that MaskCLIP, SimSeg and ZegFormer start from.
CLIP_FILES: Final = {
    "vit-b16": "clip-vit-b16-openai.safetensors",
    "vit-l14": "clip-vit-l14-336-openai.safetensors",
}
# `methods.parts.set_criterion.MASK2FORMER` in full, as keywords of `CriterionSettings` (a test holds both together), and the side
# network's blocks 7 and 8 of 8 (DEEP_SUPERVISION_IDXS): configs/Base-coco-stuff-164K-171.yaml, san/config.py.
OFFICIAL_LOSSES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "supervised": 2,
        "class_weight": 2.0,
        "mask_weight": 5.0,
        "dice_weight": 5.0,
        "class_cost": 2.0,
        "mask_cost": 5.0,
        "dice_cost": 5.0,
        "no_object_weight": 0.1,
        "pixel_loss": "bce",
        "points": 12544,
        "oversample": 3.0,
        "importance": 0.75,
    }
)
# By the parameter table of the official log: no decay for the side blocks' LayerNorms, positions and queries; the norms of the
# fusion layers, whose class is the authors' own, do decay.
_UNDECAYED: Final = tuple(
    ParameterGroup(match, decay=0.0)
    for match in ("norm1", "norm2", "pos_embed", "query_embed", "query_pos_embed", "positional_embedding")
)
_COCO: Final = Stage(
    SIDE_ADAPTER,
    iterations=60_000,
    batch=32,
    optimiser=Optimiser("AdamW", lr=1e-4, weight_decay=1e-4, groups=_UNDECAYED, clip_norm=0.01),
    schedule=Schedule("poly", power=0.9),
    augmentation=Augmentation(tuple(range(320, 961, 64)), 2560, 640, flip=True, colour=True),
    choices=OFFICIAL_LOSSES,
)
# Ours: a dataset a tenth of COCO-Stuff's size; the iterations and batch that zsseg.baseline takes for it.
_VOC: Final = replace(_COCO, iterations=20_000, batch=16)
# Ours. Ignored pixels are negatives, as in the authors' code; CLIP's positions are kept, which makes a step a fifth cheaper:
# nothing of CLIP has to be remembered for the way back. Seen / unseen mIoU on 200 val scenes: 48.3 / 46.9, 34.1 / 33.2 and
# 37.0 / 37.3 with seeds 0, 1 and 2, which differ in how soon masks are learnt (dice loss of steps 1,500 to 2,000: 0.98, 1.26,
# 1.32); with side positions that start as small random numbers 43.6 / 40.0, 40.4 / 37.4 and 35.0 / 33.4. With seed 2 and those,
# twice this rate and half of it learn more slowly from the first hundreds of steps on. With seed 1, 48 queries learn masks
# sooner (dice loss 0.82) and names later: 35.7 / 30.5. An AdamW that forgets squares sooner (0.98), four supervised blocks and
# matching without classes change nothing or for the worse in the first 750 steps and more. A stage before it in which 48
# masks and their biases cover objects, unnamed, halves the dice loss by step 1,000, after which names take as long as ever.
_SHAPES: Final = Stage(
    SIDE_ADAPTER,
    iterations=3_500,
    batch=8,
    optimiser=Optimiser("AdamW", lr=1e-3, weight_decay=1e-4, groups=_UNDECAYED, clip_norm=1.0),
    schedule=Schedule("cosine", warmup=100),
    augmentation=Augmentation((160,), 320, 160, flip=True, quarter_turns=True),
    seen_scenes=True,
    choices=MappingProxyType({**OFFICIAL_LOSSES, "points": 0, "resolution": "logits", "positions": False}),
)
_SEEN_ONLY: Final = (
    "the classes: the authors train with masks of all 171 of COCO-Stuff, here with the seen ones"
)
_AMP: Final = "mixed precision only where --amp asks for it; the authors use it"


def recipe(variant: str, dataset: str) -> Recipe:
    """The recipe of one variant on one dataset.

    Args:
        variant: `vit-b16` or `vit-l14` on `voc` and `coco-stuff`; `tiny` on `shapes`.
        dataset: its name.

    Raises:
        UsageError: there is none for the two.
    """
    if (variant, dataset) == ("tiny", "shapes"):
        return Recipe((_SHAPES,), source="ours", clip="shapes", amp=True)
    if variant in CLIP_FILES and dataset == "coco-stuff":
        return Recipe(
            (_COCO,),
            source="MendelXu/SAN e19262d, configs/Base-coco-stuff-164K-171.yaml, and the official logs",
            clip=CLIP_FILES[variant],
            differences=(_SEEN_ONLY, _AMP),
        )
    if variant in CLIP_FILES and dataset == "voc":
        return Recipe(
            (_VOC,),
            source="ours: the authors publish none for VOC; theirs for COCO-Stuff with 20,000 iterations of 16 images",
            clip=CLIP_FILES[variant],
            differences=(_AMP,),
        )
    raise UsageError(
        f"san/{variant} has no recipe for {dataset}: vit-b16 and vit-l14 are trained on voc or coco-stuff, tiny on shapes"
    )
