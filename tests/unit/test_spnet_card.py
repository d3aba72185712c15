"""What SPNet's card says, and its parameters by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from benchbed.errors import UsageError
from benchbed.input_spec import InputSpec
from methods.spnet import METHOD
from methods.spnet.model import build
from methods.spnet.sizes import SpnetSize, WarpedInput, plain

# Parameters, by hand.


def resnet_parameters(blocks: tuple[int, ...], width: int, bottleneck: bool) -> tuple[int, int]:
    """(convolutions, norms) of a ResNet without its classifier."""
    convolutions, norms, inputs = 3 * 49 * width, 2 * width, width
    for stage, count in enumerate(blocks):
        middle = width * 2**stage
        outputs = middle * (4 if bottleneck else 1)
        for block in range(count):
            if bottleneck:
                convolutions += inputs * middle + 9 * middle**2 + middle * outputs
                norms += 2 * (2 * middle + outputs)
            else:
                convolutions += 9 * inputs * middle + 9 * middle**2
                norms += 4 * middle
            if block == 0 and inputs != outputs:
                convolutions += inputs * outputs
                norms += 2 * outputs
            inputs = outputs
    return convolutions, norms


# CLIP ViT-B/16's text tower: tables, 12 blocks, final norm, projection; `tiny` has 2 blocks of width 64.
def text_parameters(width: int, layers: int, dim: int) -> int:
    block = 4 * width**2 + 4 * width + 8 * width**2 + 5 * width + 4 * width
    return 49408 * width + 77 * width + layers * block + 2 * width + width * dim


@pytest.mark.parametrize(
    ("variant", "blocks", "width", "bottleneck", "text"),
    [
        ("r101", (3, 4, 23, 3), 64, True, (512, 12, 512)),
        ("r50", (3, 4, 6, 3), 64, True, (512, 12, 512)),
        ("small", (2, 2, 2, 2), 32, False, (512, 12, 512)),
        ("tiny", (2, 2, 2, 2), 16, False, (64, 2, 64)),
    ],
)
def test_parameters(variant: str, blocks: Any, width: int, bottleneck: bool, text: Any) -> None:
    found = METHOD.variant(variant)
    assert found is not None
    with torch.device("meta"):
        spnet = build(**found.config)
    convolutions, norms = resnet_parameters(blocks, width, bottleneck)
    pyramid = 4 * (9 * spnet.size.channels * text[2] + text[2])
    frozen = text_parameters(*text) + (norms if spnet.size.frozen_norm else 0)
    total = convolutions + norms + pyramid + text_parameters(*text)
    assert sum(p.numel() for p in spnet.parameters()) == total
    assert sum(p.numel() for p in spnet.parameters() if p.requires_grad) == total - frozen


def test_the_resnets_are_the_usual_ones() -> None:
    """ResNet-101 and 50 have 44,549,160 and 25,557,032 parameters with their classifiers of 2048 x 1000 + 1000."""
    assert sum(resnet_parameters((3, 4, 23, 3), 64, True)) == 44_549_160 - 2_049_000
    assert sum(resnet_parameters((3, 4, 6, 3), 64, True)) == 25_557_032 - 2_049_000


# The card.


def test_the_card_needs_no_torch() -> None:
    code = "import sys, methods.spnet as room; assert room.METHOD.variants[0].name == 'r101'; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_variants_say_what_they_are() -> None:
    assert [variant.name for variant in METHOD.variants] == ["r101", "r101-c", "r50", "small", "tiny"]
    assert METHOD.default_variant(embedded=True).name == "tiny"
    assert METHOD.default_variant(embedded=False).name == "r101"
    for variant in METHOD.variants:
        json.dumps(dict(variant.config))
        size = SpnetSize(**plain(variant.config))
        assert variant.inputs["*"] == size.inputs
    published = METHOD.variants[0].inputs["*"]
    assert isinstance(published, WarpedInput)
    assert (published.short_side, published.std) == (513, (1.0, 1.0, 1.0))
    assert published.resized(375, 500) == published.padded(375, 500) == (375, 500)
    assert type(METHOD.variants[-1].inputs["*"]) is InputSpec


def test_calibration_is_a_variant_of_its_own() -> None:
    uncalibrated, calibrated = METHOD.variants[:2]
    gammas = [
        SpnetSize(**plain(calibrated.config_for(name))).gamma for name in ("voc", "coco-stuff", "ade20k-150")
    ]
    assert gammas == [0.6, 0.4, 0.0]
    assert uncalibrated.config_for("voc") == calibrated.config == uncalibrated.config


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"dept": 50}, "did you mean depth"),
        ({"text": "vit-b-16"}, "did you mean vit-b16"),
        ({"depth": 77}, "18, 34, 50, 101"),
        ({"rates": ()}, "dilations"),
        ({"rates": (0,)}, "dilations"),
        ({"pyramid": (-1.0,)}, "positive scales"),
        ({"gamma": 1.5}, "probability"),
        ({"templates": ("a photo",)}, "each with {}"),
    ],
)
def test_sizes_that_are_none(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(**keywords)
