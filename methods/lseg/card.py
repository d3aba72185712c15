"""What LSeg says of itself: paper, claims, quirks, variants. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from benchbed.method_card import Method, MethodCard, OfficialFlops, Variant, Weights
from methods.lseg.sizes import LSegSize, plain

_VIT_L16: Final[dict[str, Any]] = {
    "encoder": "vit",
    "width": 1024,
    "layers": 24,
    "heads": 16,
    "patch": 16,
    "hooks": (5, 11, 17, 23),
    "pyramid": (256, 512, 1024, 1024),
    "text": "vit-b32",
}
_VIT_B32: Final[dict[str, Any]] = {
    "encoder": "vit",
    "width": 768,
    "layers": 12,
    "heads": 12,
    "patch": 32,
    "hooks": (2, 5, 8, 11),
    "pyramid": (96, 192, 384, 768),
    "text": "vit-b32",
}
_RN101: Final[dict[str, Any]] = {"encoder": "resnet101", "pyramid": (256, 512, 1024, 2048), "text": "vit-b32"}
# Ours, to train on a few hundred photos and two cores, with `tiny`'s encoder (a ViT learns too slowly); the text tower is
# ViT-B/16's, whose class vectors are at hand.
_SMALL: Final[dict[str, Any]] = {
    "encoder": "resnet17",
    "pyramid": (64, 128, 256, 512),
    "features": 64,
    "text": "vit-b16",
    "short_side": 160,
    "longest_side": 448,
}
# Ours: a small ResNet, as the authors' zero-shot models have ResNet-101; a ViT learns too slowly for two cores.
_TINY: Final[dict[str, Any]] = {
    "encoder": "resnet17",
    "pyramid": (64, 128, 256, 512),
    "features": 48,
    "text": "tiny",
    "base_size": 128,
    "crop_size": 128,
    "short_side": 128,
    "longest_side": 256,
}

_SOURCE: Final = (
    "Google Drive, linked in the README of isl-org/lang-seg; where Lightning's pickled objects in it are refused, "
    "re-save its tensors alone"
)
_MASKS: Final = (
    "its classes were trained with masks, in the seven data sets joined for it: no zero-shot figure follows"
)
_DEMO: Final = Weights(
    file="demo_e200.ckpt",
    source=_SOURCE,
    trained_on=(
        "seven segmentation data sets joined (issue #39 of isl-org/lang-seg; as recalled of the paper ADE20K, BDD, Cityscapes, "
        "COCO-Panoptic, IDD, Mapillary, SUN RGB-D), on ImageNet's ViT-L/16; an ADE20K-only checkpoint was never published"
    ),
    not_for=MappingProxyType(
        {
            "ade20k-150": (
                "trained on ADE20K's own masks among others; even so, 32.07 mIoU by a user's count (issue #17)"
            ),
            "ade20k-847": "trained on ADE20K's images",
            "coco-stuff": _MASKS,
            "voc": _MASKS,
            "pascal-context-59": _MASKS,
            "pascal-context-459": _MASKS,
        }
    ),
)
_FOLD3: Final = Weights(
    file="pascal_fold3.ckpt",
    source=_SOURCE,
    trained_on=(
        "PASCAL-5i without fold 3: masks of the 15 first VOC classes, in two-way episodes {others, class}, on "
        "ImageNet's ResNet-101; the held-out classes are VOC's five 'unseen' ones. pascal_fold0 to 2 hold out other five"
    ),
    not_for=MappingProxyType(
        {
            "coco-stuff": "cow, 'unseen' there, was trained with masks",
            "voc": (
                "it never had to tell two named classes apart: its published 38.5 is a mean over two-way episodes with the "
                "class given, and no 20-way or seen/unseen figure of it was published"
            ),
        }
    ),
)

CARD: Final = MethodCard(
    name="lseg",
    title="Language-driven Semantic Segmentation",
    venue="ICLR",
    year=2022,
    arxiv="2201.03546",
    family="pixel",
    code_licence="MIT",
    weights_licence="MIT",
    claims=(
        "matches the accuracy of traditional segmentation on a fixed label set: an open vocabulary costs little",
        "label sets of any length and order at test time, without retraining",
        "zero-shot results competitive with few-shot ones (PASCAL-5i 47.4 with ResNet-101: two-way episodes, class given)",
    ),
    verified=(
        "every intermediate, the scores and the multi-scale evaluator of the official code (isl-org/lang-seg bb00b21) on a small "
        "random model, three images, within 1e-4 relative: tests/parity/test_lseg_golden.py",
        "readout, fusion, regularisation and evaluator held to plain references: tests/parity/test_lseg_reference.py",
        "343.86 M parameters and 404 GMAC at one 480 x 480 crop, differences explained: tests/unit/test_lseg_counts.py",
        "the released weights were not at hand: published figures are not reproduced here; rn101, vitb32 and the regularisation "
        "blocks follow the code as read, without official outputs",
    ),
    traps=(
        "the image encoder is ImageNet's, not CLIP's: only the text tower is CLIP's, of ViT-B/32 whatever the variant",
        "the official model holds a whole CLIP, whose image tower is never run: 87.85 M of its 495.14 M parameters",
        "PASCAL-5i 47.4, printed as 'VOC-20' in DeOP's and OVSeg's tables, is a mean over two-way episodes with the class "
        "given on images squashed to 480 x 480: not a 20-way and not a seen/unseen figure",
        "fixed label sets were evaluated at six scales with flips and sliding windows (evaluation='multi-scale'), some 36 "
        "forward passes an image; the variants run one pass over the whole image, its long side at one crop's 480",
        "their mIoU averages over all classes, absent ones as 0, and the per-class IoU they print is a running mean: meaningless",
        "names go in bare, without a template: 'other' and 'others' give different maps",
        "the official code runs the text tower in every forward pass, so once for every window and flip",
        "the temperature is the constant 1 / 0.07: not learned, not in the checkpoint, not CLIP's",
        "on CUDA the official similarity is rounded to float16, which can break ties another way: similarity='fp16'",
        "padding is black (-mean / std) and takes part in attention: a batch of different sizes differs a little from its "
        "images one by one",
        "the position table is resized bilinearly, everything after it with corners aligned",
        "the regularisation blocks exist in the code only: every released checkpoint has arch_option 0",
        "LSeg+ in OpenSeg's and OVSeg's tables is a re-implementation trained on COCO Panoptic",
    ),
    class_names=("lseg",),
    published_as=("LSeg",),
    text_per_image=True,
)


# At one crop of 480 x 480. The first is 404.1 GMAC, by hand; the second is 919.7 GFLOPs less the text of 20 names (119.2: 20 of
# ViT-B/16's 171 prompts at 1,019.1; the two text towers are of one size).
_FLOPS: Final = (
    OfficialFlops(
        (480, 480), 150, 808.2, 808.2, "multiply-adds of the official model's layers, added up by hand"
    ),
    OfficialFlops(
        (480, 480),
        20,
        800.5,
        800.5,
        "measured on the official code with random weights, the text's part subtracted",
    ),
)

# What `benchbed list methods` shows of each variant; tests/unit/test_card_facts.py holds the numbers to the built model.
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "vitl16": {
        "backbone": "ImageNet's ViT-L/16 with DPT decoder",
        "clip": "text tower of ViT-B/32, frozen",
        "params": (405_079_552, 341_651_456),
        "official_flops": _FLOPS,
    },
    "vitb32": {
        "backbone": "ImageNet's ViT-B/32 with DPT decoder",
        "clip": "text tower of ViT-B/32, frozen",
        "params": (170_531_136, 107_103_040),
    },
    "rn101": {
        "backbone": "ImageNet's ResNet-101 with DPT decoder",
        "clip": "text tower of ViT-B/32, frozen",
        "params": (123_435_072, 60_006_976),
    },
    "small": {
        "backbone": "ResNet of five blocks with DPT decoder",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (65_132_016, 1_703_920),
    },
    "tiny": {
        "packaged": "methods.lseg:weights/tiny.safetensors",
        "backbone": "ResNet of five blocks with DPT decoder",
        "clip": "text tower of the embedded dataset's, frozen",
        "params": (4_573_296, 1_302_064),
    },
}


def _variant(
    name: str, summary: str, config: dict[str, Any], weights: Weights | None, embedded: bool = False
) -> Variant:
    return Variant(
        name=name,
        summary=summary,
        build="methods.lseg.model:build",
        inputs={"*": replace(LSegSize(), **plain(config)).inputs},
        config=config,
        weights=weights,
        embedded=embedded,
        **_PARTS[name],
    )


METHOD: Final = Method(
    card=CARD,
    variants=(
        _variant(
            "vitl16",
            "ImageNet ViT-L/16 and DPT decoder, text of CLIP ViT-B/32, long side 480",
            _VIT_L16,
            _DEMO,
        ),
        _variant(
            "vitb32",
            "ImageNet ViT-B/32 and DPT decoder, text of CLIP ViT-B/32, long side 480",
            _VIT_B32,
            None,
        ),
        _variant(
            "rn101",
            "ImageNet ResNet-101 and DPT decoder, text of CLIP ViT-B/32, long side 480",
            _RN101,
            _FOLD3,
        ),
        _variant(
            "small",
            "small ResNet and DPT decoder (ours), short side 160: a check that training works on few photos, no result",
            _SMALL,
            None,
        ),
        _variant(
            "tiny",
            "small ResNet and DPT decoder, the embedded dataset's text tower, short side 128",
            _TINY,
            None,
            embedded=True,
        ),
    ),
    load="methods.lseg.checkpoint:load",
    recipe="methods.lseg.recipe:recipe",
)
