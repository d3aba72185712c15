"""The bridge against its design written out anew, head by head and in float64: softmaxes, norms and sums, no torch modules.

The design is ours (an interpretation of an abstract); there is no official code to compare with. The backbones are held to timm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from methods.bridge.backbones import EfficientFormer, Xception, position_bias
from methods.bridge.model import Bridge, build
from methods.bridge.two_way import BridgeLayer

TOLERANCE = 1e-4
SMALL: dict[str, Any] = {
    "backbone": "mobilenetv2-half",
    "stages": (3, 4),
    "width": 24,
    "heads": 3,
    "expansion": 2,
    "upsample": 3,
    "text": "tiny",
}


def made(seed: int = 0, **changes: Any) -> Bridge:
    """Every parameter and statistic random, so that none is trivial."""
    torch.manual_seed(seed)
    segmenter = build(**{**SMALL, **changes})
    segmenter.eval()
    with torch.no_grad():
        for name, tensor in segmenter.state_dict().items():
            if name.startswith(("text.", "backbone.")) or not tensor.is_floating_point():
                continue
            if "running_var" in name or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.normal_(std=0.3)
    return segmenter


class Weights:
    """Tensors below a prefix, in float64."""

    def __init__(self, module: torch.nn.Module, prefix: str = "") -> None:
        self.state: dict[str, Tensor] = {
            name: tensor.double() for name, tensor in module.state_dict().items()
        }
        self.prefix = prefix

    def __call__(self, name: str) -> Tensor:
        return self.state[self.prefix + name]

    def below(self, prefix: str) -> Weights:
        inner = Weights.__new__(Weights)
        inner.state, inner.prefix = self.state, self.prefix + prefix
        return inner

    def linear(self, name: str, x: Tensor) -> Tensor:
        product: Tensor = x @ self(f"{name}.weight").T
        total: Tensor = product + self(f"{name}.bias")
        return total

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self(f"{name}.weight") + self(f"{name}.bias")

    def batch_norm(self, name: str, x: Tensor) -> Tensor:
        leaves = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (self(f"{name}.{leaf}")[:, None, None] for leaf in leaves)
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def asked(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """One image, one head at a time: [L, C], [M, C], [M, C] to [L, C]."""
    size = query.shape[1] // heads
    parts = []
    for head in range(heads):
        channels = slice(head * size, (head + 1) * size)
        affinity = query[:, channels] @ key[:, channels].T / math.sqrt(size)
        weights = (affinity - affinity.amax(1, keepdim=True)).exp()
        parts.append(weights / weights.sum(1, keepdim=True) @ value[:, channels])
    return torch.cat(parts, 1)


def reference_layer(
    w: Weights, x: Tensor, t: Tensor, heads: int, off: frozenset[str] = frozenset()
) -> tuple[Tensor, Tensor]:
    """One image: features [C, h, w] and tokens [K, C]; `off` names the parts that are left out."""
    pixels = x.flatten(1).T
    if "visual_to_text" not in off:
        looked = asked(w.linear("visual_to_text.query", t), pixels, pixels, heads)
        t = w.layer_norm("visual_to_text.norm", t + w.linear("visual_to_text.out", looked))
    if "tokens" not in off:
        if "class_self_attention" not in off:
            query, key, value = w.linear("text.qkv", t).chunk(3, 1)
            t = w.layer_norm("text.norm1", t + w.linear("text.out", asked(query, key, value, heads)))
        hidden = w.linear("text.mlp.0", t)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        t = w.layer_norm("text.norm2", t + w.linear("text.mlp.2", hidden))
    if "convolutions" not in off:
        h = torch.einsum("oc,chw->ohw", w("visual.0.weight")[:, :, 0, 0], x)
        h = w.batch_norm("visual.1", h).clamp(0, 6)
        kernel = w("visual.3.weight")
        h = F.conv2d(h[None], kernel, padding=1, groups=len(kernel))[0]
        h = w.batch_norm("visual.4", h).clamp(0, 6)
        h = torch.einsum("oc,chw->ohw", w("visual.6.weight")[:, :, 0, 0], h)
        x = x + w.batch_norm("visual.7", h)
    if "text_to_visual" not in off:
        heard = torch.cat([w("text_to_visual.null")[0], t]) if "null" in off else t
        added = asked(
            x.flatten(1).T,
            w.linear("text_to_visual.key", heard),
            w.linear("text_to_visual.value", heard),
            heads,
        )
        x = x + added.T.unflatten(1, x.shape[1:])
    return x, t


def reference_logits(segmenter: Bridge, features: list[Tensor], names: Tensor) -> Iterator[Tensor]:
    """Per image, from the backbone's four features and class names [K, D]."""
    w, size = Weights(segmenter), segmenter.size
    for image in range(len(features[0])):
        x: Tensor | None = None
        for index, number in enumerate(size.stages):
            stage = features[number - 1][image].double()
            lateral = torch.einsum("oc,chw->ohw", w(f"reduce.{index}.0.weight")[:, :, 0, 0], stage)
            lateral = w.batch_norm(f"reduce.{index}.1", lateral)
            finest = lateral.shape[1:] if x is None else x.shape[1:]
            lateral = F.interpolate(lateral[None], finest, mode="bilinear", align_corners=False)[0]
            x = lateral if x is None else x + lateral
        assert x is not None
        classes = names.double()
        if size.layers:
            t = w.linear("token_in", classes)
            for number in range(size.layers):
                x, t = reference_layer(w.below(f"layers.{number}."), x, t, size.heads)
            classes = classes + w("token_scale") * w.linear("token_out", t)
        pixels = (
            torch.einsum("dc,chw->dhw", w("embed.weight")[:, :, 0, 0], x) + w("embed.bias")[:, None, None]
        )
        pixels = pixels / pixels.pow(2).sum(0, keepdim=True).sqrt()
        classes = classes / classes.pow(2).sum(1, keepdim=True).sqrt()
        scores = torch.einsum("kd,dhw->khw", classes, pixels) / 0.07
        sides = [side * size.upsample for side in scores.shape[1:]]
        scores = F.interpolate(scores[:, None], sides, mode="bilinear", align_corners=False)
        yield F.conv2d(scores, w("refine.weight"), padding=1)[:, 0]


def unit_names(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 64, generator=generator), dim=-1)


def assert_close(ours: Tensor, reference: Tensor) -> None:
    error = (ours.double() - reference).abs().max() / reference.abs().max()
    assert error < TOLERANCE, f"largest difference {error:.2e} of the largest value"


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize(("count", "seed"), [(1, 0), (7, 1)])
@torch.no_grad()
def test_logits_are_the_designs(layers: int, count: int, seed: int) -> None:
    segmenter = made(seed, layers=layers)
    x = torch.randn(2, 3, 70, 100)
    names = unit_names(count, seed)
    ours = segmenter.logits(x, names)
    reference = torch.stack(list(reference_logits(segmenter, segmenter.backbone(x), names)))
    assert ours.shape == reference.shape == (2, count, 15, 21)
    assert_close(ours, reference)


PARTS = ("visual_to_text", "text_to_visual", "convolutions", "tokens", "class_self_attention")


@pytest.mark.parametrize("off", [(), *((part,) for part in PARTS), PARTS[:2], PARTS[2:]])
@torch.no_grad()
def test_each_part_can_be_left_out(off: tuple[str, ...]) -> None:
    segmenter = made(3, layers=1, **dict.fromkeys(off, False))
    (layer,) = segmenter.layers
    x, t = torch.randn(1, 24, 5, 8), torch.randn(1, 6, 24)
    features, tokens = layer(x, t)
    expected = reference_layer(Weights(layer), x[0].double(), t[0].double(), 3, frozenset(off))
    assert_close(features[0], expected[0])
    assert_close(tokens[0], expected[1])


@torch.no_grad()
def test_the_null_token_is_one_more_thing_to_look_at() -> None:
    (layer,) = made(4, layers=1, null_token=True).layers
    assert isinstance(layer, BridgeLayer)
    x, t = torch.randn(1, 24, 5, 8), torch.randn(1, 6, 24)
    features, tokens = layer(x, t)
    expected = reference_layer(Weights(layer), x[0].double(), t[0].double(), 3, frozenset({"null"}))
    assert_close(features[0], expected[0])
    assert_close(tokens[0], expected[1])
    without = reference_layer(Weights(layer), x[0].double(), t[0].double(), 3)
    assert (features[0].double() - without[0]).abs().max() > 1e-3


# Backbones.


@torch.no_grad()
def test_efficientformer_is_timms_at_its_own_size() -> None:
    torch.manual_seed(0)
    ours = EfficientFormer().eval()
    net: Any = ours.net
    net.stages[3].blocks[-1].token_mixer.attention_biases.normal_()
    net.stages[3].blocks[-1].ls1.gamma.fill_(1.0)  # else the attention counts for 1e-5 of the result
    x = torch.randn(1, 3, 224, 224)
    theirs = net.forward_intermediates(x, intermediates_only=True)
    for mine, other in zip(ours(x), theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_xception_ends_where_timms_does() -> None:
    torch.manual_seed(0)
    ours = Xception().eval()
    x = torch.randn(1, 3, 65, 97)
    features = ours(x)
    net: Any = ours.net
    torch.testing.assert_close(features[-1], net.forward_features(x))
    reductions = [tuple(each.shape[2:]) for each in features]
    assert reductions == [(17, 25), (9, 13), (5, 7), (3, 4)]


def test_the_xception_is_deeplabs() -> None:
    """timm has another Xception too, without an output stride; ours is the aligned one, of 41 layers."""
    assert type(timm.create_model("xception41", num_classes=0)).__name__ == "XceptionAligned"


@pytest.mark.parametrize("grid", [(7, 7), (1, 1), (4, 9), (10, 8), (1, 5)])
def test_position_biases(grid: tuple[int, int]) -> None:
    """Each pair of tokens has the bias of its distance; the table is resized to the grid's distances, ends staying ends."""
    table = torch.randn(2, 49)
    square = table.view(2, 7, 7)

    def at(distance: int, length: int) -> list[tuple[int, float]]:
        place = distance * 6 / (length - 1) if length > 1 else 0.0
        low = min(int(place), 5)
        return [(low, 1 - (place - low)), (low + 1, place - low)]

    expected = torch.zeros(2, grid[0] * grid[1], grid[0] * grid[1])
    for one in range(grid[0] * grid[1]):
        for other in range(grid[0] * grid[1]):
            down = abs(one // grid[1] - other // grid[1])
            right = abs(one % grid[1] - other % grid[1])
            for row, share in at(down, grid[0]):
                for column, part in at(right, grid[1]):
                    expected[:, one, other] += share * part * square[:, row, column]
    torch.testing.assert_close(position_bias(table, grid), expected, rtol=1e-4, atol=1e-5)
