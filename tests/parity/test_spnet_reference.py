"""SPNet against the official code's formulas (subhc/SPNet at 292ff5a: deeplabv2.py, resnet.py, msc.py, eval.py), written anew.

The reference runs in float64 on a dictionary of tensors under the official names, built here independently of the loader.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.images import prepare
from benchbed.scores import DenseScores, full_scores
from benchbed.segmenter import TextFeatures
from methods.spnet.checkpoint import load
from methods.spnet.model import SPNet, build

Official = dict[str, Tensor]
SIDE = 97  # odd as 513 is; half of it is even, where Caffe's pooling and mmsegmentation's differ
CLASSES, DIM, RATES, PYRAMID = 5, 24, (1, 2, 3, 5), (0.5, 0.75)
MEAN = (122.675, 116.669, 104.008)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def spnet() -> SPNet:
    """A ResNet-50 of a sixteenth of the width, in which nothing is trivial and logits are a few units apart."""
    torch.manual_seed(7)
    words = {f"class {k}": torch.randn(DIM) for k in range(CLASSES)}
    segmenter = build(depth=50, width=4, rates=RATES, side=SIDE, embeddings=words)
    segmenter.eval()
    with torch.no_grad():
        for name, tensor in segmenter.state_dict().items():
            if "running_var" in name or ("bn" in name and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif name.startswith("aspp."):
                tensor.normal_(std=0.3)
            elif "running_mean" in name or ("bn" in name and name.endswith("bias")):
                tensor.normal_(std=0.2)
        spread = segmenter.logits(warped(photo(SIDE, SIDE)).float(), unit_vectors()).std()
        for parameter in segmenter.aspp.parameters():
            parameter.mul_(2 / spread)
    return segmenter


@pytest.fixture(scope="module")
def official(spnet: SPNet) -> Official:
    """The same tensors as `train.py` saves them."""
    state = spnet.state_dict()
    return {official_of(name): tensor for name, tensor in state.items() if not name.startswith("words.")}


def official_of(name: str) -> str:
    top, *rest = name.split(".")
    if top == "aspp":
        return f"module.scale.aspp.stages.c{rest[1]}.{rest[2]}"
    if rest[0] in ("conv1", "bn1"):
        return f"module.scale.layer1.conv1.{rest[0][:-1]}.{rest[1]}"
    place = f"module.scale.layer{int(rest[0][-1]) + 1}.block{int(rest[1]) + 1}"
    if rest[2] == "downsample":
        return f"{place}.proj.{('conv', 'bn')[int(rest[3])]}.{rest[4]}"
    unit = {"1": "reduce", "2": "conv3x3", "3": "increase"}[rest[2][-1]]
    return f"{place}.{unit}.{rest[2][:-1]}.{rest[3]}"


class Reference:
    """The official forward pass."""

    def __init__(self, tensors: Official, blocks: tuple[int, ...] = (3, 4, 6, 3)) -> None:
        self.tensors = {
            name.removeprefix("module.scale."): tensor.double() for name, tensor in tensors.items()
        }
        self.blocks = blocks

    def unit(self, name: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
        kernel = self.tensors[f"{name}.conv.weight"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[2] // 2 * dilation, dilation)
        mean, var, weight, bias = (
            self.tensors[f"{name}.bn.{leaf}"][:, None, None]
            for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def block(self, name: str, x: Tensor, stride: int, dilation: int) -> Tensor:
        h = self.unit(f"{name}.reduce", x, stride).relu()
        h = self.unit(f"{name}.conv3x3", h, 1, dilation).relu()
        h = self.unit(f"{name}.increase", h)
        shortcut = self.unit(f"{name}.proj", x, stride) if f"{name}.proj.conv.weight" in self.tensors else x
        return (h + shortcut).relu()

    def features(self, x: Tensor) -> Tensor:
        x = self.unit("layer1.conv1", x, 2).relu()
        x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        for layer, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4)), start=2):
            for number in range(1, self.blocks[layer - 2] + 1):
                x = self.block(f"layer{layer}.block{number}", x, stride if number == 1 else 1, dilation)
        return x

    def single(self, x: Tensor, classes: Tensor) -> Tensor:
        x = self.features(x)
        total: Tensor = torch.zeros(())
        for index, rate in enumerate(RATES):
            weight, bias = (self.tensors[f"aspp.stages.c{index}.{leaf}"] for leaf in ("weight", "bias"))
            total = total + F.conv2d(x, weight, bias, padding=rate, dilation=rate)
        return torch.einsum("bdhw,kd->bkhw", total, classes)

    def logits(self, x: Tensor, classes: Tensor, pyramid: tuple[float, ...] = PYRAMID) -> Tensor:
        outputs = [self.single(x, classes)]
        for share in pyramid:
            smaller = F.interpolate(x, [int(side * share) for side in x.shape[2:]], mode="bilinear")
            outputs.append(
                F.interpolate(self.single(smaller, classes), outputs[0].shape[2:], mode="bilinear")
            )
        return torch.stack(outputs).amax(0)


def unit_vectors(seed: int = 0, count: int = CLASSES) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, DIM, generator=generator)
    return vectors / vectors.pow(2).sum(1, keepdim=True).sqrt()


def photo(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def warped(image: Any) -> Tensor:
    """[1, 3, SIDE, SIDE]: blue first, mean subtracted, then stretched without antialias."""
    pixels = torch.from_numpy(image.astype(np.float64) - np.array(MEAN))[..., [2, 1, 0]].permute(2, 0, 1)[
        None
    ]
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False)


def assert_close(ours: Tensor, reference: Tensor) -> None:
    error = (ours.double() - reference).abs().max() / reference.abs().max()
    assert error < TOLERANCE, f"largest difference {error:.2e} of the largest value"


@pytest.mark.parametrize("size", [(SIDE, SIDE), (60, 130), (200, 150)])
@torch.no_grad()
def test_logits_are_the_official_ones(spnet: SPNet, official: Official, size: tuple[int, int]) -> None:
    image = photo(*size)
    scores = spnet.segment(prepare([image], spnet.input_spec), TextFeatures(unit_vectors()))
    reference = Reference(official).logits(warped(image), unit_vectors().double())
    assert scores.logits.shape == reference.shape == (1, CLASSES, 13, 13)
    assert scores.geometry[0].padded == scores.geometry[0].valid == scores.geometry[0].original == size
    assert_close(scores.logits, reference)


@torch.no_grad()
def test_features_are_the_official_ones(spnet: SPNet, official: Official) -> None:
    x = torch.randn(2, 3, 48, 71) * 50
    assert_close(spnet.backbone(x)[0], Reference(official).features(x.double()))


@torch.no_grad()
def test_every_scale_wins_somewhere(spnet: SPNet) -> None:
    """Otherwise the maximum over scales would not be tested."""
    x = torch.randn(1, 3, SIDE, SIDE) * 50
    maps = [F.interpolate(each, (13, 13), mode="bilinear") for each in spnet.scales(x, unit_vectors())]
    assert set(torch.stack(maps).argmax(0).flatten().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("gamma", [0.2, 0.6])
@torch.no_grad()
def test_calibrated_scores_are_the_official_ones(official: Official, gamma: float) -> None:
    """Resize, softmax, subtract from seen classes: in that order, at the network's input size (eval.py)."""
    table = {f"class {k}": vector for k, vector in enumerate(unit_vectors())}
    spnet = load(official, embeddings=table, gamma=gamma, rates=RATES, side=SIDE).eval()
    image = photo(SIDE, SIDE, 3)
    seen = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    scores = spnet.segment(prepare([image], spnet.input_spec), TextFeatures(unit_vectors(), {"seen": seen}))
    logits = Reference(official).logits(warped(image), unit_vectors().double())
    full = F.interpolate(logits, (SIDE, SIDE), mode="bilinear")
    exponents = (full - full.amax(1, keepdim=True)).exp()
    reference = exponents / exponents.sum(1, keepdim=True) - gamma * seen.double()[:, None, None]
    assert isinstance(scores, DenseScores)
    assert_close(full_scores(scores, 0), reference[0])
    assert (reference[0].argmax(0) != full[0].argmax(0)).any(), "calibration must change labels to be tested"


@torch.no_grad()
def test_what_the_official_code_saves_loads_to_the_same_bits(spnet: SPNet, official: Official) -> None:
    table = {f"class {k}": torch.ones(DIM) for k in range(CLASSES)}
    loaded = load(official, embeddings=table, rates=RATES, side=SIDE)
    for name, tensor in loaded.state_dict().items():
        if name != "words.vectors":
            assert torch.equal(tensor, spnet.state_dict()[name]), name
    assert loaded.conversion is not None
    assert set(loaded.conversion.used) == set(official)
    assert (loaded.size.depth, loaded.size.width) == (50, 4)


@pytest.mark.parametrize("count", [1, 4, 20])
@torch.no_grad()
def test_folding_changes_logits_by_rounding_alone(spnet: SPNet, count: int) -> None:
    x, classes = torch.randn(1, 3, SIDE, SIDE) * 50, unit_vectors(count, count)
    whole, folded = spnet.logits(x, classes), spnet.logits(x, classes, fold=True)
    assert not torch.equal(whole, folded), "nothing was folded"
    assert_close(folded, whole.double())


@torch.no_grad()
def test_the_warp_is_opencvs(spnet: SPNet) -> None:
    cv2 = pytest.importorskip("cv2")
    for size in ((60, 130), (200, 150), (1, 7)):
        image = photo(*size, seed=size[0])
        blue_first = image[..., ::-1].astype(np.float32) - np.array(MEAN[::-1], np.float32)
        expected = cv2.resize(blue_first, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        tensor, _ = spnet.framed(prepare([image], spnet.input_spec))
        assert (
            abs(tensor[0].permute(1, 2, 0).numpy() - expected).max() < 2e-2
        )  # of 255; cv2 rounds its coefficients
