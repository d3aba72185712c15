"""MaskFormer's head against plain formulas."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.parts.mlp import MLP
from methods.parts.pixel_decoder import PixelDecoder
from methods.parts.position_encoding import patch_position, sine_position
from methods.parts.proposal_network import ProposalHead, ProposalSize
from methods.parts.resnet import R101C, ResNetSize
from methods.parts.transformer_decoder import TransformerDecoder

NARROW = ResNetSize((1, 2, 1, 3), "deeplab", 16, 8, 32, (1, 2, 4))
HEAD = ProposalSize(32, 24, 32, 4, 48, 3, 7, class_embed=(20, 12))
SEEDS = (0, 1, 2)


def shake(module: nn.Module, seed: int = 0) -> None:
    """Move every weight and statistic away from its special value."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator)
            value += 0.3 * noise.abs() if name.endswith("running_var") else 0.05 * noise


def close(ours: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    assert ours.shape == other.shape
    return bool((ours - other).abs().max() <= tolerance * other.abs().max())


@pytest.fixture(params=SEEDS)
def head(request: pytest.FixtureRequest) -> ProposalHead:
    torch.manual_seed(request.param)
    made = ProposalHead(HEAD, NARROW.channels).eval()
    shake(made, request.param)
    return made


def pyramid(batch: int, height: int, width: int) -> dict[str, Tensor]:
    sizes = zip((4, 8, 16, 32), NARROW.channels, strict=True)
    maps = [torch.randn(batch, c, -(-height // s), -(-width // s)) for s, c in sizes]
    return dict(zip(("res2", "res3", "res4", "res5"), maps, strict=True))


def plain_pixels(decoder: PixelDecoder, features: dict[str, Tensor]) -> Tensor:
    """Lateral plus nearest-upsampled, convolved, group-normalised, rectified; coarse to fine."""
    state = decoder.state_dict()

    def convolved(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        groups = x.unflatten(1, (32, -1))
        mean = groups.mean((2, 3, 4), keepdim=True)
        scale = ((groups - mean) ** 2).mean((2, 3, 4), keepdim=True).add(1e-5).sqrt()
        x = ((groups - mean) / scale).flatten(1, 2)
        return x * state[f"{name}.norm.weight"][:, None, None] + state[f"{name}.norm.bias"][:, None, None]

    y = convolved(features["res5"], "layer_4").clamp(min=0)
    for level, name in ((3, "res4"), (2, "res3"), (1, "res2")):
        lateral = convolved(features[name], f"adapter_{level}")
        rows = torch.arange(lateral.shape[2]) * y.shape[2] // lateral.shape[2]
        columns = torch.arange(lateral.shape[3]) * y.shape[3] // lateral.shape[3]
        y = convolved(lateral + y[:, :, rows][:, :, :, columns], f"layer_{level}").clamp(min=0)
    return F.conv2d(y, state["mask_features.weight"], state["mask_features.bias"], padding=1)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_the_pixel_decoder_is_the_plain_pyramid(head: ProposalHead, size: tuple[int, int]) -> None:
    features = pyramid(2, *size)
    assert close(head.pixel_decoder(features), plain_pixels(head.pixel_decoder, features))


def plain_decoder(decoder: TransformerDecoder, memory: Tensor, position: Tensor, queries: Tensor) -> Tensor:
    """DETR's forward_post for one image, attention head by head."""
    state, heads = decoder.state_dict(), decoder.layers[0].self_attn.num_heads  # type: ignore[union-attr]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def attention(q: Tensor, k: Tensor, v: Tensor, name: str) -> Tensor:
        weights, biases = state[f"{name}.in_proj_weight"].chunk(3), state[f"{name}.in_proj_bias"].chunk(3)
        q, k, v = (x @ w.T + b for x, w, b in zip((q, k, v), weights, biases, strict=True))
        pooled = [
            (a @ b.T / math.sqrt(a.shape[1])).softmax(-1) @ c
            for a, b, c in zip(q.chunk(heads, 1), k.chunk(heads, 1), v.chunk(heads, 1), strict=True)
        ]
        return linear(torch.cat(pooled, 1), f"{name}.out_proj")

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    x = torch.zeros_like(queries)
    for index in range(len(decoder.layers)):
        at = f"layers.{index}"
        x = norm(x + attention(x + queries, x + queries, x, f"{at}.self_attn"), f"{at}.norm1")
        x = norm(x + attention(x + queries, memory + position, memory, f"{at}.multihead_attn"), f"{at}.norm2")
        x = norm(x + linear(linear(x, f"{at}.linear1").relu(), f"{at}.linear2"), f"{at}.norm3")
    return norm(x, "norm")


@torch.no_grad()
def test_proposals_are_the_plain_decoders(head: ProposalHead) -> None:
    features = pyramid(2, 64, 97)
    found = head(features)
    pixels, predictor = plain_pixels(head.pixel_decoder, features), head.predictor
    memory = predictor.input_proj(features["res5"])
    height, width = memory.shape[2:]
    position = detr_position(height, width, HEAD.hidden)
    for index in range(2):
        embeddings = plain_decoder(
            predictor.transformer["decoder"],  # type: ignore[arg-type]
            memory[index].flatten(1).T,
            position.flatten(1).T,
            predictor.query_embed.weight,
        )
        assert close(found.embeddings[index], embeddings)
        masks = torch.einsum("qc,chw->qhw", predictor.mask_embed(embeddings), pixels[index])
        assert close(found.mask_logits[index], masks)


def detr_position(height: int, width: int, channels: int) -> Tensor:
    """PositionEmbeddingSine(channels / 2, normalize=True) as DETR computes it, by cumulative sums: [C, H, W]."""
    ones = torch.ones(height, width)
    rows, columns = ones.cumsum(0), ones.cumsum(1)
    rows = rows / (rows[-1:, :] + 1e-6) * 2 * math.pi
    columns = columns / (columns[:, -1:] + 1e-6) * 2 * math.pi
    index = torch.arange(channels // 2, dtype=torch.float32)
    divisor = 10000 ** (2 * torch.div(index, 2, rounding_mode="floor") / (channels // 2))
    halves = []
    for axis in (rows, columns):
        angle = axis[:, :, None] / divisor
        halves.append(torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), dim=3).flatten(2))
    return torch.cat(halves, dim=2).permute(2, 0, 1)


@pytest.mark.parametrize(("height", "width", "channels"), [(1, 1, 8), (7, 3, 64), (16, 22, 256)])
def test_the_position_encoding_is_detrs(height: int, width: int, channels: int) -> None:
    ours = sine_position(height, width, channels).permute(2, 0, 1)
    assert torch.allclose(ours, detr_position(height, width, channels), atol=1e-6)


def test_patch_positions_count_patches() -> None:
    """Against the formula, number by number: rows first, sines before cosines."""
    table = patch_position(3, 5, 8)
    assert table.shape == (3, 5, 8)
    for row in range(3):
        for column in range(5):
            expected = [
                wave(place / 10000 ** (index / 2))
                for place in (row, column)
                for wave in (math.sin, math.cos)
                for index in range(2)
            ]
            torch.testing.assert_close(table[row, column], torch.tensor(expected))


@torch.no_grad()
def test_the_last_of_all_layers_is_the_one_given_alone(head: ProposalHead) -> None:
    features = pyramid(1, 64, 64)
    every, last = head.every_layer(features), head(features)
    assert len(every) == HEAD.layers
    assert torch.equal(every[-1].mask_logits, last.mask_logits)
    assert not torch.allclose(every[0].mask_logits, last.mask_logits)


@torch.no_grad()
def test_a_batch_is_its_images(head: ProposalHead) -> None:
    features = pyramid(3, 64, 97)
    together = head(features).mask_logits
    for index in range(3):
        alone = head({name: value[index : index + 1] for name, value in features.items()})
        assert close(together[index : index + 1], alone.mask_logits)


def test_head_key_names_and_numbers_are_the_official_ones() -> None:
    with torch.device("meta"):
        state = ProposalHead(ProposalSize(), R101C.channels).state_dict()
    parts = {
        "pixel_decoder.": (23, 7.540),
        "predictor.transformer.decoder.": (110, 9.473),
        "predictor.": (123, 9.473 + 1.535),
    }
    for prefix, (tensors, millions) in parts.items():
        inside = [value for name, value in state.items() if name.startswith(prefix)]
        assert len(inside) == tensors, prefix
        assert sum(v.numel() for v in inside) / 1e6 == pytest.approx(millions, abs=1e-3), prefix
    expected = {"pixel_decoder.adapter_3.norm.weight", "pixel_decoder.layer_4.weight"}
    expected |= {"pixel_decoder.mask_features.bias", "predictor.transformer.decoder.norm.bias"}
    expected |= {"predictor.transformer.decoder.layers.5.multihead_attn.in_proj_weight"}
    expected |= {"predictor.query_embed.weight", "predictor.input_proj.bias"}
    expected |= {"predictor.mask_embed.layers.2.weight", "predictor.class_embed.layers.1.weight"}
    assert expected <= set(state)


def test_a_head_without_class_embedding_has_none() -> None:
    state = ProposalHead(replace(HEAD, class_embed=()), NARROW.channels).state_dict()
    assert not [name for name in state if "class_embed" in name]


def test_an_mlp_does_not_rectify_its_result() -> None:
    torch.manual_seed(0)
    mlp = MLP((4, 8, 3))
    x = torch.randn(5, 4)
    hidden = (x @ mlp.layers[0].weight.T + mlp.layers[0].bias).clamp(min=0)
    assert torch.allclose(mlp(x), hidden @ mlp.layers[1].weight.T + mlp.layers[1].bias, atol=1e-6)
    assert (mlp(x) < 0).any()
