"""What the bridge's card says, and its parameters and multiply-adds by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.cost.params import count_params
from benchbed.errors import UsageError
from benchbed.input_spec import IMAGENET_MEAN
from methods.bridge import METHOD
from methods.bridge.model import build
from methods.bridge.sizes import BridgeSize, plain
from methods.bridge.two_way import BridgeLayer

# Parameters, by hand.


def mobilenetv2(width: float = 1.0) -> int:
    """The 17 blocks of Sandler et al. (2018), table 2, without the 1280-channel convolution and the classifier."""

    def rounded(channels: float) -> int:
        new = max(8, int(channels + 4) // 8 * 8)
        return new + 8 if new < 0.9 * channels else new

    inputs = rounded(32 * width)
    total = 27 * inputs + 2 * inputs
    for expansion, channels, repeats in (
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ):
        for _ in range(repeats):
            wide, outputs = inputs * expansion, rounded(channels * width)
            total += (
                (inputs * wide + 2 * wide) * (expansion > 1)
                + 9 * wide
                + 2 * wide
                + wide * outputs
                + 2 * outputs
            )
            inputs = outputs
    return total


def efficientformer_l1() -> int:
    """Li et al. (2022), L1: depths 3, 2, 6, 4, the last block of all attending; without norm and classifiers."""
    widths, depths = (48, 96, 224, 448), (3, 2, 6, 4)
    total = 27 * 24 + 24 + 48 + 9 * 24 * 48 + 48 + 96
    for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if index:
            total += 9 * widths[index - 1] * width + width + 2 * width
        pooled = depth - (index == 3)
        # Two scales, 1x1 convolutions to four times the width and back, with biases, each with a norm.
        total += pooled * (2 * width + 8 * width**2 + 5 * width + 10 * width)
    width = 448
    attention = width * (2 * 256 + 1024) + 1536 + 1024 * width + width + 8 * 49
    return total + attention + 8 * width**2 + 5 * width + 2 * width + 4 * width


def xception_41() -> int:
    """Chen et al. (2018, DeepLab v3+), with 8 instead of 16 middle blocks; without classifier."""

    def separable(inputs: int, outputs: int) -> int:
        return 9 * inputs + 2 * inputs + inputs * outputs + 2 * outputs

    total = 27 * 32 + 64 + 9 * 32 * 64 + 128
    inputs = 64
    blocks = [(128,) * 3, (256,) * 3, (728,) * 3, *[(728,) * 3] * 8, (728, 1024, 1024), (1536, 1536, 2048)]
    for number, outputs in enumerate(blocks):
        if number != len(blocks) - 1 and (number < 3 or number == len(blocks) - 2):
            total += inputs * outputs[2] + 2 * outputs[2]
        for channels in outputs:
            total += separable(inputs, channels)
            inputs = channels
    return total


def bridge_layer(width: int, expansion: int = 2) -> int:
    linear, wide = width**2 + width, expansion * width
    visual_to_text = 2 * linear + 2 * width
    text = 4 * linear + 2 * width + (width * wide + wide) + (wide * width + width) + 2 * width
    visual = 2 * width * wide + 9 * wide + 2 * (wide + wide + width)
    return visual_to_text + text + visual + 2 * linear


def text_tower(width: int, layers: int, dim: int) -> int:
    return 49408 * width + 77 * width + layers * (12 * width**2 + 13 * width) + 2 * width + width * dim


@pytest.mark.parametrize(
    ("name", "encoder", "channels", "width", "text"),
    [
        ("mobilenetv2", mobilenetv2(), (320,), 256, (512, 12, 512)),
        ("efficientformer-l1", efficientformer_l1(), (448,), 256, (512, 12, 512)),
        ("xception", xception_41(), (2048,), 256, (512, 12, 512)),
        ("tiny", mobilenetv2(0.5), (16, 48, 160), 64, (64, 2, 64)),
    ],
)
def test_parameters(name: str, encoder: int, channels: tuple[int, ...], width: int, text: Any) -> None:
    dim = text[2]
    head = sum(each * width + 2 * width for each in channels) + width * dim + dim + 9
    bridge = 2 * bridge_layer(width) + (dim * width + width) + (width * dim + dim) + dim
    for variant, added in ((name, bridge), (f"{name}-plain", 0)):
        found = METHOD.variant(variant)
        assert found is not None
        with torch.device("meta"):
            segmenter = build(**found.config)
        trained = encoder + head + added
        assert sum(p.numel() for p in segmenter.parameters() if p.requires_grad) == trained
        assert sum(p.numel() for p in segmenter.parameters()) == trained + text_tower(*text)


def test_a_layer_is_of_the_size_that_the_design_gives() -> None:
    """About a million; shared/reference/methods/lightweight-bridge.md, 3.2, estimates 1.3 from the same widths."""
    assert bridge_layer(256) == 1_060_096
    # torchvision's MobileNetV2 has 3,504,872 with its last convolution (412,160) and classifier (1,281,000).
    assert mobilenetv2() == 3_504_872 - 412_160 - 1_281_000


def test_a_layer_costs_what_the_design_gives() -> None:
    """At 16 x 16 pixels and 150 classes: about 0.23 G multiply-adds (the same place)."""
    pixels, classes, width = 256, 150, 256
    both_ways = 2 * 2 * classes * pixels * width
    projections = (4 + 4 + 2 * 2) * classes * width**2  # of both attentions, of self-attention, of the MLP
    self_attention = 2 * classes**2 * width
    convolutions = pixels * 2 * width * (width + 9 + width)
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        layer = BridgeLayer(BridgeSize())
        with FlopCounterMode(display=False) as counter:
            layer(torch.empty(1, width, 16, 16), torch.empty(1, classes, width))
    counted = counter.get_total_flops() / 2
    assert counted == both_ways + projections + self_attention + convolutions
    assert counted == pytest.approx(0.23e9, rel=0.05)


def test_every_parameter_of_every_variant_is_read() -> None:
    """Nothing is carried along for show."""
    for variant in METHOD.variants:
        if variant.embedded:
            assert count_params(build(**variant.config).eval()).unused_at_inference == 0


# The card.


def test_the_card_needs_no_torch() -> None:
    code = "import sys, methods.bridge as room; assert room.METHOD.variants; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_is_marked_as_an_interpretation_everywhere() -> None:
    assert "INTERPRETATION of the abstract" in METHOD.card.traps[0]
    assert all("interpretation" in variant.summary for variant in METHOD.variants)


def test_every_bridge_has_its_plain_twin() -> None:
    names = [variant.name for variant in METHOD.variants]
    assert names[::2] == ["mobilenetv2", "efficientformer-l1", "xception", "tiny"]
    assert METHOD.default_variant(embedded=True).name == "tiny"
    for bridge, twin in zip(METHOD.variants[::2], METHOD.variants[1::2], strict=True):
        assert twin.name == f"{bridge.name}-plain"
        assert dict(twin.config) == {**bridge.config, "layers": 0}
        assert twin.inputs == bridge.inputs


def test_variants_are_plain_data_with_their_backbones_normalisation() -> None:
    for variant in METHOD.variants:
        json.dumps(dict(variant.config))
        assert variant.inputs["*"] == BridgeSize(**plain(variant.config)).inputs
        mean = variant.inputs["*"].mean
        assert mean == ((127.5,) * 3 if variant.name.startswith("xception") else IMAGENET_MEAN)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"layer": 1}, "did you mean layers"),
        ({"backbone": "mobilenet"}, "did you mean mobilenetv2"),
        ({"text": "vit-b-16"}, "did you mean vit-b16"),
        ({"stages": ()}, "rising"),
        ({"stages": (4, 3)}, "rising"),
        ({"stages": (0, 4)}, "rising"),
        ({"layers": -1}, "0 \\(no bridge\\) or more"),
        ({"heads": 3}, "does not divide width=256"),
        ({"upsample": 0}, "1 or more"),
        ({"templates": ()}, "at least one"),
    ],
)
def test_sizes_that_are_none(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(**keywords)
