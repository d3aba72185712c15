"""The bridge as a segmenter: any image, any label set, what depends on what, training loss, sizes, and what its card says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbed.errors import UsageError
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import IMAGENET_MEAN
from benchbed.scores import label_maps
from benchbed.segmenter import TextFeatures
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary
from methods.bridge import METHOD
from methods.bridge.backbones import backbone
from methods.bridge.model import Bridge, build
from methods.bridge.sizes import CHANNELS, BridgeSize, plain
from methods.bridge.two_way import BridgeLayer

TINY, PLAIN = METHOD.variant("tiny"), METHOD.variant("tiny-plain")
assert TINY is not None
assert PLAIN is not None
BOTH: tuple[dict[str, Any], ...] = (dict(TINY.config), dict(PLAIN.config))
IGNORED = 255


@pytest.fixture(scope="module", params=BOTH, ids=["bridge", "plain"])
def tiny(request: pytest.FixtureRequest) -> Bridge:
    return made(**request.param)


def made(**config: Any) -> Bridge:
    """The image's influence on text large enough to see."""
    torch.manual_seed(1)
    segmenter = build(**config)
    segmenter.eval()
    if segmenter.token_scale is not None:
        torch.nn.init.constant_(segmenter.token_scale, 0.5)
    return segmenter


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(count: int, dim: int = 64) -> TextFeatures:
    generator = torch.Generator().manual_seed(count)
    return TextFeatures(torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1))


# Images.


@pytest.mark.parametrize("size", [(1, 1), (17, 130), (129, 64), (3, 300), (33, 31)])
@torch.no_grad()
def test_any_size_gives_a_label_map_of_that_size(tiny: Bridge, size: tuple[int, int]) -> None:
    scores = tiny.segment(prepare([photo(*size)], tiny.input_spec), words(5))
    assert scores.logits.dtype == torch.float32
    padded = scores.geometry[0].padded
    assert scores.logits.shape == (1, 5, padded[0] // 4, padded[1] // 4)
    assert label_maps(scores)[0].shape == size


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientformer-l1", "xception"])
@torch.no_grad()
def test_full_size_backbones_take_odd_sizes(name: str) -> None:
    torch.manual_seed(0)
    encoder = backbone(name)
    encoder.eval()  # mmsegmentation's MobileNetV2 returns nothing here
    features = encoder(torch.randn(2, 3, 70, 45))
    assert [each.shape[1] for each in features] == list(CHANNELS[name])
    assert [tuple(each.shape[2:]) for each in features] == [(18, 12), (9, 6), (5, 3), (3, 2)]
    assert all(each.isfinite().all() for each in features)


@torch.no_grad()
def test_a_batch_of_equal_sizes_is_its_images_one_by_one(tiny: Bridge) -> None:
    photos = [photo(64, 96, seed) for seed in range(3)]
    together = tiny.segment(prepare(photos, tiny.input_spec), words(4)).logits
    for row, each in zip(together, photos, strict=True):
        alone = tiny.segment(prepare([each], tiny.input_spec), words(4)).logits[0]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_batch_of_unequal_sizes(tiny: Bridge) -> None:
    sizes = [(64, 96), (200, 50), (20, 20)]
    scores = tiny.segment(prepare([photo(*size) for size in sizes], tiny.input_spec), words(4))
    assert [tuple(labels.shape) for labels in label_maps(scores)] == sizes


@torch.no_grad()
def test_mmsegmentations_interface(tiny: Bridge) -> None:
    tiny.set_vocabulary(Vocabulary(("cat", "grass", "other"), (True, True, False)))
    tensor = torch.randn(1, 3, 70, 100)
    (full,) = tiny(tensor)
    assert full.shape == (3, 70, 100)
    (sample,) = tiny.predict(tensor)
    assert torch.equal(sample.pred_sem_seg.data[0], full.argmax(0))


# Label sets.


@pytest.mark.parametrize("count", [1, 2, 300])
@torch.no_grad()
def test_label_sets_of_any_length(tiny: Bridge, count: int) -> None:
    scores = tiny.segment(prepare([photo(64, 64)], tiny.input_spec), words(count))
    assert scores.num_classes == count
    assert label_maps(scores)[0].max() < count


@torch.no_grad()
def test_permuting_classes_permutes_logits(tiny: Bridge) -> None:
    images, text = prepare([photo(64, 64)], tiny.input_spec), words(6).embeddings
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    whole = tiny.segment(images, TextFeatures(text)).logits
    permuted = tiny.segment(images, TextFeatures(text[order])).logits
    torch.testing.assert_close(permuted, whole[:, order], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "independent"),
    [
        ({"layers": 0}, True),
        ({}, False),
        ({"class_self_attention": False}, False),
        ({"text_to_visual": False}, False),
        ({"class_self_attention": False, "text_to_visual": False}, True),
    ],
)
@torch.no_grad()
def test_when_a_class_has_the_logits_it_has_alone(changes: dict[str, Any], independent: bool) -> None:
    """As the card says: classes meet in self-attention and in what pixels take from them."""
    segmenter = made(**{**BOTH[0], **changes})
    images, text = prepare([photo(64, 64)], segmenter.input_spec), words(6).embeddings
    whole = segmenter.segment(images, TextFeatures(text)).logits[:, :2]
    some = segmenter.segment(images, TextFeatures(text[:2])).logits
    assert (some - whole).abs().max().lt(1e-4).item() is independent


@torch.no_grad()
def test_the_image_changes_the_text_and_the_text_the_image() -> None:
    segmenter = made(**BOTH[0])
    one, other = (segmenter.features(torch.randn(1, 3, 64, 64)) for _ in range(2))
    names = words(3).embeddings
    features, classes = segmenter.meet(one, names)
    assert (classes - segmenter.meet(other, names)[1]).abs().max() > 1e-5
    assert (features - segmenter.meet(one, words(4).embeddings)[0]).abs().max() > 1e-5


@torch.no_grad()
def test_text_starts_almost_unchanged() -> None:
    """As in DenseCLIP: what images add to class names begins at 1e-4."""
    segmenter = build(**BOTH[0]).eval()
    names = words(3).embeddings
    _, classes = segmenter.meet(segmenter.features(torch.randn(1, 3, 64, 64)), names)
    assert 0 < (classes - names).abs().max() < 1e-2


@torch.no_grad()
def test_logits_are_cosines_over_the_temperature(tiny: Bridge) -> None:
    """Before training the refinement passes them on as they are."""
    logits = tiny.segment(prepare([photo(64, 64)], tiny.input_spec), words(9)).logits
    assert logits.abs().max() <= 1 / 0.07 + 1e-4


# Precision, stages, training.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_keeps_nearly_all_labels(tiny: Bridge, dtype: torch.dtype) -> None:
    images = prepare([photo(64, 96)], tiny.input_spec)
    exact = label_maps(tiny.segment(images, words(5)))[0]
    with torch.autocast("cpu", dtype=dtype):
        scores = tiny.segment(images, words(5))
    assert scores.logits.dtype == torch.float32
    assert (label_maps(scores)[0] == exact).float().mean() > 0.95


class Heard:
    def __init__(self) -> None:
        self.names: set[str] = set()

    def enter(self, name: str) -> None:
        self.names.add(name)

    def leave(self, name: str) -> None:
        assert name in self.names


@torch.no_grad()
def test_stages(tiny: Bridge) -> None:
    heard = Heard()
    images = prepare([photo(64, 64)], tiny.input_spec)
    with listening(heard):
        tiny.segment(images, words(2))
    assert heard.names == {"backbone", "classify"}
    with listening(heard):
        tiny.encode_vocabulary(Vocabulary(("cat",), (True,)))
    assert "clip_text" in heard.names


@pytest.mark.parametrize("config", BOTH, ids=["bridge", "plain"])
def test_the_loss_trains_everything_but_the_text_tower(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    segmenter = build(**config).train()
    trained = {name: each for name, each in segmenter.named_parameters() if each.requires_grad}
    assert all(
        name.startswith("text.") is not each.requires_grad for name, each in segmenter.named_parameters()
    )
    images = ImageBatch.around(torch.randn(2, 3, 64, 64), segmenter.input_spec)
    labels = torch.zeros(2, 64, 64, dtype=torch.int64)
    labels[:, 32:] = 1
    labels[:, :, :8] = IGNORED
    optimiser = torch.optim.Adam(trained.values(), lr=2e-3)
    totals = []
    for _ in range(6):
        (loss,) = segmenter.loss(images, labels, words(2)).values()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert totals[-1] < 0.7 * totals[0]
    assert [name for name, each in trained.items() if each.grad is None] == []


def test_a_batch_of_ignored_pixels_costs_nothing(tiny: Bridge) -> None:
    images = ImageBatch.around(torch.randn(1, 3, 64, 64), tiny.input_spec)
    (loss,) = tiny.loss(images, torch.full((1, 64, 64), IGNORED), words(2)).values()
    assert loss.item() == 0


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
    from benchbed.cost.params import count_params

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
