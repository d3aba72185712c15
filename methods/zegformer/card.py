"""What ZegFormer says of itself: paper, claims, quirks, variants. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.method_card import Method, MethodCard, OfficialFlops, Variant, Weights

# MIN_SIZE_TEST and MAX_SIZE_TEST of the COCO-Stuff configurations, and of those for VOC and ADE20k-Full.
COCO_INPUT: Final = InputSpec(640, 2560, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
INPUT: Final = InputSpec(512, 2048, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
# The same file that MaskCLIP uses; ZegFormer's own checkpoints have no CLIP inside.
CLIP_FILE: Final = "clip-vit-b16-openai.safetensors"

_COCO_WEIGHTS: Final = Weights(
    file="zegformer_R101_bs32_60k_vit16_coco-stuff.pth",
    source=(
        "Google Drive folder linked in the README of dingjiansw101/ZegFormer; beside it, OpenAI's CLIP ViT-B/16 as tensors "
        f"(Hugging Face: timm/vit_base_patch16_clip_224.openai, file open_clip_model.safetensors), saved as {CLIP_FILE}"
    ),
    trained_on="COCO-Stuff train2017, masks of 156 seen classes, 60,000 iterations; CLIP is OpenAI's, never trained",
    not_for=MappingProxyType(
        {
            "voc": "VOC's unseen classes (potted plant, sheep, sofa, train, tv) were seen with masks in COCO-Stuff-156"
        }
    ),
)

CARD: Final = MethodCard(
    name="zegformer",
    title="Decoupling Zero-Shot Semantic Segmentation",
    venue="CVPR",
    year=2022,
    arxiv="2112.07910",
    family="two-stream",
    code_licence="CC BY-NC 4.0",
    weights_licence="CC BY-NC 4.0 (the repository's; the weights have none of their own)",
    claims=(
        "+22 points mIoU of unseen classes on VOC over earlier work (SIGN with self-training)",
        "+3 points mIoU of unseen classes on COCO-Stuff over earlier work (STRICT, 30.3)",
        "seen / unseen / harmonic: VOC 86.4 / 63.6 / 73.3, COCO-Stuff 36.6 / 33.2 / 34.8",
        "6.0 FPS on COCO-Stuff, 25.5 FPS without CLIP's image stream (GPU not known here)",
    ),
    verified=(
        "clean room: written from a description, never from the authors' code, which is non-commercial",
        "every array of the official code on small seeded weights, two images, within 1e-4 relative, the same crops in the "
        "same order to the bit: tests/parity/test_zegformer_golden.py",
        "boxes, fusion, calibration and text against an independent reference: tests/parity/test_zegformer_reference.py",
        "60.288 M trained parameters and 3,807 GFLOPs at 640 x 853, term by term: tests/unit/test_zegformer_counts.py",
        "the released weights were not at hand: published mIoU is not reproduced here",
    ),
    traps=(
        "all 100 proposals cost a pass of CLIP, empty masks too; DeOP's Table 1 says otherwise of this family",
        "the box's far corner is the last mask pixel (no + 1); a box without area is the whole padded image",
        "seen classes share one CLIP probability, their mean: among seen classes only the head decides",
        "with an all-seen vocabulary (no split) CLIP therefore hardly matters; with an all-unseen one it decides most",
        "no-object in CLIP's softmax is the other stream's raw logit, and its vector is not normalised",
        "gamma 0.1 is taken from seen classes after resizing: scores need not be positive",
        "the official R101 evaluation on COCO uses one template, though 8 were trained with; r50 uses 8 in both",
        "the official R50 configuration for VOC neither fuses nor calibrates: mode='img', gamma=0, head_templates='single'",
        "ADE20k-Full and 847 classes: gamma=0; a class name with ', ' in it counts as several words, averaged",
        "CLIP runs in fp16 in the official code on a GPU: expect logits to differ by 1e-2 from ours",
        "a user's re-evaluation of the released weights gave 36.6 seen and 36.2 unseen (issue 15), the paper 36.6 and 33.2; "
        "two retrainings gave 30.3 and 32.8 unseen",
        "the official seen and unseen means are over all classes of the set: one absent class makes them NaN",
        "COCO-Stuff's classes stand in another order in the authors' files: 156 seen first, then 15 unseen",
        "padding takes part in attention, in boxes and in crops: measure with batch 1",
    ),
    class_names=("zegformer",),
    published_as=("ZegFormer",),
)


# The official R50 configuration for VOC neither fuses nor calibrates, and uses one template.
_R50_VOC: Final = MappingProxyType({"mode": "img", "gamma": 0.0, "head_templates": "single"})


# FLOPs of the official code, measured on it (torch's counter, 2 a multiply-add; 100 crops, no text), beside ours.
_MEASURED: Final = "measured on the official code with random weights, 100 crops"
_LEFT_OUT: Final = (
    "not computed, because nothing reads it: CLIP's last block for the 196 tokens of a crop beside CLS (243 GFLOPs; "
    "whole_last_block=True computes them and comes within 0.3 %), masks and names of decoder layers 1 to 5 (6 to 10)"
)


def _flops(size: tuple[int, int], official: float, ours: float) -> OfficialFlops:
    return OfficialFlops(size, 171, official, ours, _MEASURED, proposals=100, why=_LEFT_OUT)


# What `benchbed list methods` shows of each variant; tests/unit/test_card_facts.py holds the numbers to the built model.
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "r101": {
        "backbone": "ResNet-101 with MaskFormer",
        "clip": "ViT-B/16, frozen",
        "params": (209_908_674, 60_287_936),
        "proposals": 100,
        "official_flops": (
            _flops((640, 853), 3806.8, 3554.2),
            _flops((640, 640), 3731.0, 3480.9),
            _flops((512, 683), 3705.0, 3455.8),
        ),
    },
    "r50": {
        "backbone": "ResNet-50 with MaskFormer",
        "clip": "ViT-B/16, frozen",
        "params": (190_968_770, 41_348_032),
        "proposals": 100,
        "official_flops": (_flops((640, 640), 3670.4, 3420.3),),
    },
    "tiny": {
        "packaged": "methods.zegformer:weights/tiny.safetensors",
        "backbone": "ResNet of five blocks with MaskFormer",
        "clip": "the embedded dataset's, frozen",
        "params": (5_309_410, 1_203_360),
        "proposals": 12,
    },
}


def _variant(
    name: str,
    summary: str,
    templates: str,
    weights: Weights | None,
    per_dataset: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Variant:
    return Variant(
        name=name,
        summary=summary,
        build="methods.zegformer.model:build",
        inputs={"coco-stuff": COCO_INPUT, "*": INPUT},
        config={"size": name, "mode": "full", "gamma": 0.1, "head_templates": templates},
        weights=weights,
        per_dataset=per_dataset,
        **_PARTS[name],
    )


METHOD: Final = Method(
    card=CARD,
    variants=(
        _variant(
            "r101",
            "MaskFormer R101, 100 crops through CLIP ViT-B/16, both streams fused",
            "single",
            _COCO_WEIGHTS,
        ),
        _variant(
            "r50",
            "MaskFormer R50, 100 crops through CLIP ViT-B/16, both streams fused",
            "imagenet_select",
            None,
            {"voc": _R50_VOC},
        ),
        Variant(
            name="tiny",
            summary="a five-block ResNet, 12 crops of 64 pixels and the small CLIP of the embedded dataset",
            build="methods.zegformer.model:build",
            inputs={"*": InputSpec(128, 256, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)},
            config={"size": "tiny", "mode": "full", "gamma": 0.0, "short_side": 128, "longest_side": 256},
            embedded=True,
            **_PARTS["tiny"],
        ),
    ),
    load="methods.zegformer.checkpoint:load",
    recipe="methods.zegformer.recipe:recipe",
)
