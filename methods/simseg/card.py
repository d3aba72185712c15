"""What SimSeg says of itself: paper, claims, quirks, variants. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.method_card import Method, MethodCard, OfficialFlops, Variant, Weights
from methods.simseg.settings import CROSS_DATASET, LEARNABLE, ZERO_SHOT


def _input(short_side: int, longest_side: int) -> InputSpec:
    """The MaskFormer's; crops are cut from the same resized image and normalised for CLIP by themselves."""
    return InputSpec(short_side, longest_side, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)


# configs/coco-stuff-164k-171/Base, configs/*/cross_dataset*.
INPUTS: Final = {"coco-stuff": _input(640, 2560), "cityscapes": _input(1024, 2048), "*": _input(512, 2048)}

_COCO_156: Final = (
    "COCO-Stuff train2017, masks of 156 seen classes; OpenAI's CLIP ViT-B/16 is inside the file"
)
_NOT_FOR: Final = {
    "voc": (
        "VOC's unseen classes (potted plant, sheep, sofa, train, tv) were seen with masks in COCO-Stuff-156; the authors "
        "themselves write not to test on VOC"
    ),
}
_SOURCE: Final = 'MendelXu/zsseg.baseline, README, "Trained Model" for the {} setting (Google Drive), saved under this name'
_ZERO_SHOT: Final = Weights(
    "simseg-zero-shot-coco-stuff-156.pth",
    _SOURCE.format("zero-shot"),
    f"{_COCO_156}; learned prompt",
    _NOT_FOR,
)
_CROSS: Final = Weights(
    "simseg-cross-dataset-coco-stuff-156.pth",
    _SOURCE.format("cross-dataset"),
    f"{_COCO_156}; ViLD's prompts, 120,000 iterations",
    _NOT_FOR,
)

CARD: Final = MethodCard(
    name="simseg",
    title="A Simple Baseline for Open-Vocabulary Semantic Segmentation with Pre-trained Vision-language Model",
    venue="ECCV",
    year=2022,
    arxiv="2112.14757",
    family="two-stream",
    code_licence="MIT",
    weights_licence="MIT (the repository's; the files carry none)",
    claims=(
        "zero-shot COCO-Stuff: hIoU 37.8, seen 39.3, unseen 36.3; VOC: 77.5, 83.5, 72.5",
        "19.5 hIoU and 24.1 unseen mIoU above CaGNet on COCO-Stuff",
        "cross-dataset mIoU, trained on COCO-Stuff-156: Cityscapes 34.5, PC-59 47.7, A-150 20.5, A-847 7.0",
        "of DeOP's authors, not of its own: 1.11 FPS on COCO-Stuff, 2.66 FPS on VOC (DeOP, Table 1; hardware not stated)",
    ),
    verified=(
        "every intermediate, both crops' statistics and the scores of the official code (MendelXu/zsseg.baseline d77c3af) on a "
        "small random model, two images, within 1e-4 relative: tests/parity/test_simseg_golden.py",
        "crops, empty proposals and the mean of the streams held to a plain reference: tests/parity/test_simseg_reference.py",
        "61.08 M trained and 210.70 M parameters, 3,837 GFLOPs at 640 x 853 with 100 crops, differences explained: "
        "tests/unit/test_simseg_counts.py",
        "the released weights were not at hand: published mIoU is not reproduced here; hand-written prompts and the separate "
        "crop adapter follow the code as read, without official outputs",
    ),
    traps=(
        "the official evaluation runs the text tower TWICE an image where prompts are learned, once a stream, with the same "
        "result (2 x 1,019 GFLOPs at 171 classes); protocol paper runs it once an image and so is kinder to SimSeg than its code",
        "cost depends on the image: only non-empty proposals become crops, 0 to 100 of them; random weights give nearly all 100, "
        "trained ones fewer, so latency with random weights is an upper bound",
        "'crops with scores above a threshold' (DeOP, Table 1) is the mask's pixel threshold: no score or area filter, no NMS",
        "threshold and ensemble weight were chosen for each dataset, on it: 0.5 / 0.8 (COCO-Stuff), 0.5 / 0.7 (VOC-15), "
        "0.5 / 0.4 (VOC-20, PC-59), 0.4 / 0.5 (A-150), 0.3 / 0.7 (A-847), 0.3 / 0.4 (Cityscapes)",
        "a class listed as seen takes another formula: without flags (cross-dataset) every class counts as unseen "
        "(trainable_flag=False)",
        "no-object leaves before the softmax in the crop stream, after it in the own stream; nothing is normalised again",
        "an empty proposal stays in the sum with crop factor 1",
        "crops come from the resized image, not the original, are squeezed to a square without antialias, and see CLIP's mean "
        "colour around the mask; prompts were trained on crops with another fill",
        "VOC's unseen 72.5 could not be reproduced by DeOP's author (62.85) nor by others (zsseg.baseline issue 20); prompt "
        "training depends on the seed, 'run it multiple times'",
        "no VOC model was released: both files were trained on COCO-Stuff-156, the VOC configuration (settings.VOC_15) has "
        "prompts of its own for each stream",
        "other names: SimBaseline, ZSSeg, zsseg; not muyangyi/SimSeg (CVPR 2023). ODISE lists older numbers (A-150 15.3)",
        "1,917 'GFLOPs' elsewhere are multiply-adds, at 640 pixels and with all 100 crops",
        "in a batch of unequal sizes the padding takes part in all attention; the official evaluation takes one image a time",
    ),
    class_names=("zsseg",),
    published_as=("SimSeg", "SimBaseline"),
    text_per_image=True,
)


# FLOPs of the official code, measured on it (torch's counter, 2 a multiply-add; 100 crops, no text), beside ours.
_MEASURED: Final = "measured on the official code with random weights, all 100 crops"
_LEFT_OUT: Final = (
    "not computed, because nothing reads it: CLIP's last block for the 196 tokens of a crop beside CLS (243 GFLOPs; "
    "whole_last_block=True computes them and comes within 0.3 %), masks and embeddings of decoder layers 1 to 5 (6 to 10)"
)


def _flops(size: tuple[int, int], official: float, ours: float) -> OfficialFlops:
    return OfficialFlops(size, 171, official, ours, _MEASURED, proposals=100, why=_LEFT_OUT)


# What `benchbed list methods` shows of each variant; tests/unit/test_card_facts.py holds the numbers to the built model.
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "r101c": {
        "backbone": "ResNet-101c with MaskFormer",
        "clip": "ViT-B/16, frozen",
        "params": (210_696_640, 61_075_904),
        "proposals": 100,
        "official_flops": (
            _flops((640, 853), 3837.0, 3584.2),
            _flops((640, 640), 3754.0, 3503.2),
            _flops((512, 683), 3726.0, 3475.4),
        ),
    },
    "r101c-vild": {
        "backbone": "ResNet-101c with MaskFormer",
        "clip": "ViT-B/16, frozen",
        "params": (210_688_448, 61_067_712),
        "proposals": 100,
    },
    "r50": {
        "backbone": "ResNet-50 with MaskFormer",
        "clip": "ViT-B/16, frozen",
        "params": (191_633_344, 42_012_608),
        "proposals": 100,
    },
    "tiny": {
        "packaged": "methods.simseg:weights/tiny.safetensors",
        "backbone": "ResNet of five blocks with MaskFormer",
        "clip": "the embedded dataset's, frozen",
        "params": (5_324_784, 1_218_736),
        "proposals": 12,
    },
}


def _variant(
    name: str,
    summary: str,
    config: dict[str, Any],
    weights: Weights | None,
    inputs: dict[str, InputSpec] = INPUTS,
    per_dataset: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Variant:
    return Variant(
        name=name,
        summary=summary,
        build="methods.simseg.model:build",
        inputs=inputs,
        config=config,
        weights=weights,
        embedded=name == "tiny",
        per_dataset=per_dataset,
        text_per_image=config.get("prompts", LEARNABLE) == LEARNABLE,
        **_PARTS[name],
    )


METHOD: Final = Method(
    card=CARD,
    variants=(
        _variant(
            "r101c",
            "MaskFormer R101c, up to 100 crops through CLIP ViT-B/16, learned prompt",
            {"size": "r101c-vit-b16", "mask_threshold": 0.5, "ensemble_weight": 0.8, "prompts": "learnable"},
            _ZERO_SHOT,
            per_dataset=ZERO_SHOT,
        ),
        _variant(
            "r101c-vild",
            "the same with ViLD's prompts and no class counted as seen, for other datasets; weight as for PC-59",
            {
                "size": "r101c-vit-b16",
                "mask_threshold": 0.5,
                "ensemble_weight": 0.4,
                "prompts": "vild",
                "trainable_flag": False,
            },
            _CROSS,
            per_dataset=CROSS_DATASET,
        ),
        _variant(
            "r50",
            "MaskFormer R50, up to 100 crops through CLIP ViT-B/16, learned prompt",
            {"size": "r50-vit-b16", "mask_threshold": 0.5, "ensemble_weight": 0.8, "prompts": "learnable"},
            None,
            per_dataset=ZERO_SHOT,
        ),
        _variant(
            "tiny",
            "a five-block R14c, 12 proposals, crops of 64 through the embedded dataset's small CLIP",
            {
                "size": "tiny",
                "mask_threshold": 0.5,
                "ensemble_weight": 0.8,
                "prompts": "learnable",
                "short_side": 128,
                "longest_side": 256,
            },
            None,
            {"*": _input(128, 256)},
        ),
    ),
    load="methods.simseg.checkpoint:load",
    recipe="methods.simseg.recipe:recipe",
)
