"""What SPNet says of itself: paper, quirks, variants. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from benchbed.method_card import Method, MethodCard, Variant
from methods.spnet.sizes import SpnetSize, plain

_R101: Final[dict[str, Any]] = {"depth": 101}
# `--threshold` in run_pascal.sh and run_coco.sh.
_CALIBRATION: Final = {"voc": {"gamma": 0.6}, "coco-stuff": {"gamma": 0.4}}
_R50: Final[dict[str, Any]] = {"depth": 50}
# Ours, to train on a few hundred photos and two cores: half as wide a ResNet-18 as usual; rates a third of the paper's, as
# 160 pixels are of 513.
_SMALL: Final[dict[str, Any]] = {
    "depth": 18,
    "width": 32,
    "rates": (2, 4, 6, 8),
    "frozen_norm": False,
    "caffe": False,
    "warp": False,
    "side": 160,
}
# Ours: a ResNet-18 of a quarter of the width, trained from nothing on whole images; rates a quarter of the paper's,
# as 128 pixels are of 513.
_TINY: Final[dict[str, Any]] = {
    "depth": 18,
    "width": 16,
    "rates": (2, 3, 4, 6),
    "text": "tiny",
    "frozen_norm": False,
    "caffe": False,
    "warp": False,
    "side": 128,
}

CARD: Final = MethodCard(
    name="spnet",
    title="Semantic Projection Network for Zero- and Few-Label Semantic Segmentation",
    venue="CVPR",
    year=2019,
    arxiv="",
    family="pixel",
    code_licence="MIT",
    weights_licence="none published",
    verified=(
        "the network, the multi-scale maximum and the calibration were read in subhc/SPNet at 292ff5a and are held to an "
        "independent reference under the official tensor names: tests/parity/test_spnet_reference.py",
        "folding the class vectors into the pyramid (protocol matched) changes logits by rounding alone: same file",
        "no official weights or outputs exist: published figures are not reproduced here",
    ),
    traps=(
        "class vectors are CLIP's text embeddings here, in ZegFormer's form of this baseline; the paper's are fastText and "
        "word2vec, 600 numbers, which do not ship: `embeddings=` takes the exact ones",
        "images are warped to 513 x 513, whatever their shape (protocol paper); labels are compared at the original size "
        "here, where the official evaluation warps the ground truth to 513 x 513 too",
        "calibration (`gamma`) is off but in `r101-c`; the authors' scripts report both, with 0.4 on COCO-Stuff and 0.6 on VOC. "
        "It takes gamma from the probabilities of seen classes, after softmax at 513 x 513: as much memory as K such maps",
        "three scales of the input are run (1, 0.5, 0.75) and the greatest logit counts: 1.81 times the work of one",
        "pixel embeddings are not normalised and there is no temperature",
        "background is ignored in training and evaluation; ZS3Net's figures count it as a class, on other splits",
        "Caffe's ImageNet weights: channels blue first, mean subtracted, no standard deviation, pooling rounds sizes up",
        "the CRF is off, as by default in the authors' script",
    ),
    class_names=("spnet", "zegformer"),
    published_as=("SPNet",),
)


# What `benchbed list methods` shows of each variant; tests/unit/test_card_facts.py holds the numbers to the built model.
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "r101": {
        "backbone": "ImageNet's ResNet-101, dilated",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (143_679_040, 80_145_600),
    },
    "r101-c": {
        "backbone": "ImageNet's ResNet-101, dilated",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (143_679_040, 80_145_600),
    },
    "r50": {
        "backbone": "ImageNet's ResNet-50, dilated",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (124_686_912, 61_205_696),
    },
    "small": {
        "backbone": "ResNet-18 of half the width, dilated",
        "clip": "text tower of ViT-B/16, frozen",
        "params": (70_947_616, 7_519_520),
    },
    "tiny": {
        "packaged": "methods.spnet:weights/tiny.safetensors",
        "backbone": "ResNet-18 of a quarter of the width, dilated",
        "clip": "text tower of the embedded dataset's, frozen",
        "params": (4_268_496, 997_264),
    },
}


def _variant(
    name: str,
    summary: str,
    config: dict[str, Any],
    embedded: bool = False,
    per_dataset: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Variant:
    return Variant(
        name=name,
        summary=summary,
        build="methods.spnet.model:build",
        inputs={"*": SpnetSize(**plain(config)).inputs},
        config=config,
        embedded=embedded,
        per_dataset=per_dataset,
        **_PARTS[name],
    )


METHOD: Final = Method(
    card=CARD,
    variants=(
        _variant("r101", "DeepLab v2 on ResNet-101, three scales of 513 x 513, text of CLIP ViT-B/16", _R101),
        _variant(
            "r101-c",
            "r101 with calibration: gamma 0.6 on voc, 0.4 on coco-stuff, none published elsewhere",
            _R101,
            per_dataset=MappingProxyType(_CALIBRATION),
        ),
        _variant("r50", "the same on ResNet-50 (ours; the paper has ResNet-101)", _R50),
        _variant(
            "small",
            "ResNet-18 of half the width (ours), short side 160: a check that training works on few photos, no result",
            _SMALL,
        ),
        _variant(
            "tiny",
            "small ResNet-18, the embedded dataset's text tower, short side 128",
            _TINY,
            embedded=True,
        ),
    ),
    load="methods.spnet.checkpoint:load",
    recipe="methods.spnet.recipe:recipe",
)
