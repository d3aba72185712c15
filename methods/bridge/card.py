"""What the bridge says of itself: paper, what is and is not known of it, variants. Free of torch."""

from __future__ import annotations

from typing import Any, Final

from benchbed.method_card import Method, MethodCard, Variant
from methods.bridge.sizes import BridgeSize, plain

# Ours: half as wide a MobileNetV2, whose last three stages meet at stride 8, since stride 32 leaves 4 x 4 pixels of 128.
_TINY: Final[dict[str, Any]] = {
    "backbone": "mobilenetv2-half",
    "stages": (2, 3, 4),
    "width": 64,
    "upsample": 2,
    "text": "tiny",
    "short_side": 128,
    "longest_side": 256,
}

CARD: Final = MethodCard(
    name="bridge",
    title="CLIP for Lightweight Semantic Segmentation",
    venue="PRCV",
    year=2023,
    arxiv="2310.07394",
    family="pixel",
    code_licence="none found: no official code",
    weights_licence="none published",
    claims=(
        "with lightweight backbones, CLIP-based dense prediction fails, and one fusion module repairs it (abstract; it names no "
        "number, dataset or backbone): `bridge/X` against `bridge/X-plain`, with weights trained alike, is our test of it",
    ),
    verified=(
        "the two-way module, the position biases and the cosines are held to an independent reference of our own design: "
        "tests/parity/test_bridge_reference.py; nothing could be checked against the authors",
    ),
    traps=(
        "an INTERPRETATION of the abstract, which is all that could be read: architecture, sizes, prompts and losses are ours, "
        "after Mobile-Former and DenseCLIP. Not a reproduction; no figure here is the paper's",
        "the paper is fully supervised as far as its abstract tells (it compares with DenseCLIP); the open-vocabulary form, "
        "without channels tied to K classes, is ours",
        "the backbones' names are hearsay; the abstract names none",
        "a class's logits depend on which other classes are named: class tokens attend to each other, and pixels to all of "
        "them. `class_self_attention=False` stops the first alone; only with `text_to_visual=False` too are classes "
        "independent",
        "stride 32 and whole images: at 512 pixels text and image meet on 16 x 16 positions; `stages=(3, 4)` doubles that",
        "`-plain` variants have the same backbone, widths and refinement and no bridge; compare with weights trained alike",
        "EfficientFormer's position biases are resized from 7 x 7 tokens, unlike its authors' segmentation code",
        "padding takes part in attention: a batch of different sizes differs a little from its images one by one",
    ),
    class_names=("bridge", "zegformer"),
)


# What `benchbed list methods` shows of each variant; tests/unit/test_card_facts.py holds the numbers to the built model.
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "mobilenetv2": {
        "backbone": "MobileNetV2",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (67_837_449, 4_409_353),
    },
    "mobilenetv2-plain": {
        "backbone": "MobileNetV2",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (65_453_833, 2_025_737),
    },
    "efficientformer-l1": {
        "backbone": "EfficientFormer-L1",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (77_449_537, 14_021_441),
    },
    "efficientformer-l1-plain": {
        "backbone": "EfficientFormer-L1",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (75_065_921, 11_637_825),
    },
    "xception": {
        "backbone": "Xception-41",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (91_388_665, 27_960_569),
    },
    "xception-plain": {
        "backbone": "Xception-41",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (89_005_049, 25_576_953),
    },
    "tiny": {
        "packaged": "methods.bridge:weights/tiny.safetensors",
        "backbone": "MobileNetV2 of half the width",
        "clip": "text tower of the embedded dataset's, frozen",
        "params": (3_915_657, 644_425),
    },
    "tiny-plain": {
        "backbone": "MobileNetV2 of half the width",
        "clip": "text tower of the embedded dataset's, frozen",
        "params": (3_770_441, 499_209),
    },
}


def _variant(name: str, what: str, config: dict[str, Any], embedded: bool = False) -> Variant:
    part = "two-way bridge" if config.get("layers", 2) else "plain text classifier, no bridge"
    return Variant(
        name=name,
        summary=f"interpretation of the abstract: {what}, {part}",
        build="methods.bridge.model:build",
        inputs={"*": BridgeSize(**plain(config)).inputs},
        config=config,
        embedded=embedded,
        **_PARTS[name],
    )


def _pair(name: str, what: str, config: dict[str, Any], embedded: bool = False) -> tuple[Variant, Variant]:
    return (
        _variant(name, what, config, embedded),
        _variant(f"{name}-plain", what, {**config, "layers": 0}, embedded),
    )


METHOD: Final = Method(
    card=CARD,
    variants=(
        *_pair(
            "mobilenetv2", "MobileNetV2, text of CLIP ViT-B/16, short side 512", {"backbone": "mobilenetv2"}
        ),
        *_pair(
            "efficientformer-l1",
            "EfficientFormer-L1, text of CLIP ViT-B/16, short side 512",
            {"backbone": "efficientformer-l1"},
        ),
        *_pair("xception", "Xception-41, text of CLIP ViT-B/16, short side 512", {"backbone": "xception"}),
        *_pair(
            "tiny",
            "half a MobileNetV2, the embedded dataset's text tower, short side 128",
            _TINY,
            embedded=True,
        ),
    ),
    load="methods.bridge.checkpoint:load",
    recipe="methods.bridge.recipe:recipe",
)
