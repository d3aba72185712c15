"""MaskCLIP against a plain reference written from the paper and the authors' configuration, on random weights."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.clip_sizes import ClipSize
from benchbed.images import prepare
from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.scores import full_scores, label_maps
from benchbed.segmenter import TextFeatures
from methods.maskclip.checkpoint import load
from methods.maskclip.model import MaskCLIP, build

SIZE = ClipSize(
    embed_dim=24, image_size=64, patch=16, width=128, layers=3, text_width=64, text_layers=1, words=49408
)
HEADS = 2
Weights = dict[str, Tensor]


def norm(x: Tensor, w: Weights, name: str) -> Tensor:
    """LayerNorm by its definition, eps 1e-6."""
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * w[f"{name}.weight"]
        + w[f"{name}.bias"]
    )


def mlp(x: Tensor, w: Weights, block: str) -> Tensor:
    """Linear, exact GELU, linear."""
    hidden = x @ w[f"{block}.mlp.c_fc.weight"].T + w[f"{block}.mlp.c_fc.bias"]
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return hidden @ w[f"{block}.mlp.c_proj.weight"].T + w[f"{block}.mlp.c_proj.bias"]


def qkv(x: Tensor, w: Weights, block: str) -> list[Tensor]:
    """Query, key and value of every token."""
    return (x @ w[f"{block}.attn.in_proj_weight"].T + w[f"{block}.attn.in_proj_bias"]).chunk(3, -1)


def out(x: Tensor, w: Weights, block: str) -> Tensor:
    """The attention's output projection."""
    return x @ w[f"{block}.attn.out_proj.weight"].T + w[f"{block}.attn.out_proj.bias"]


def attention(x: Tensor, w: Weights, block: str) -> Tensor:
    """softmax(q k / sqrt(d)) v, head by head."""
    q, k, v = qkv(x, w, block)
    heads = []
    for part in range(HEADS):
        cut = slice(part * 64, (part + 1) * 64)
        weights = (q[..., cut] @ k[..., cut].transpose(-1, -2) / 8).softmax(-1)
        heads.append(weights @ v[..., cut])
    return out(torch.cat(heads, -1), w, block)


def reference(w: Weights, images: Tensor, text: Tensor) -> Tensor:
    """Cosine similarity of each patch with each class, [B, K, h, w]."""
    patches = F.conv2d(images, w["visual.conv1.weight"], stride=16)
    grid = patches.shape[2:]
    tokens = patches.flatten(2).transpose(1, 2)
    tokens = torch.cat([w["visual.class_embedding"].expand(len(tokens), 1, -1), tokens], 1)
    table = w["visual.positional_embedding"]
    if grid[0] * grid[1] != len(table) - 1:
        square = table[1:].T.reshape(1, -1, 4, 4)
        resized = F.interpolate(square, grid, mode="bicubic", align_corners=False)
        table = torch.cat([table[:1], resized[0].flatten(1).T])
    x = norm(tokens + table, w, "visual.ln_pre")
    for index in range(2):
        block = f"visual.transformer.resblocks.{index}"
        x = x + attention(norm(x, w, f"{block}.ln_1"), w, block)
        x = x + mlp(norm(x, w, f"{block}.ln_2"), w, block)
    last = "visual.transformer.resblocks.2"
    v = x + out(qkv(norm(x, w, f"{last}.ln_1"), w, last)[2], w, last)
    v = v + mlp(norm(v, w, f"{last}.ln_2"), w, last)
    features = norm(v[:, 1:], w, "visual.ln_post") @ w["visual.proj"]
    features = features / features.norm(dim=-1, keepdim=True)
    return (features @ text.T).transpose(1, 2).unflatten(2, tuple(grid))


@pytest.fixture(scope="module")
def segmenter() -> MaskCLIP:
    torch.manual_seed(0)
    made = build(size=SIZE, input_spec=InputSpec(64, 128, IMAGENET_MEAN, IMAGENET_STD, 16)).eval()
    for parameter in made.parameters():  # norms at 1 and biases at 0 would hide mistakes
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made


@pytest.fixture(scope="module")
def text() -> Tensor:
    return F.normalize(torch.randn(7, 24, generator=torch.Generator().manual_seed(1)), dim=-1)


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (32, 128), (80, 112)])
def test_logits_equal_the_reference(segmenter: MaskCLIP, text: Tensor, size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (*size, 3), generator=torch.Generator().manual_seed(2)).byte().numpy()
    spec = InputSpec(min(size), max(size), IMAGENET_MEAN, IMAGENET_STD, 16)
    with torch.no_grad():
        batch = prepare([image], spec)
        scores = segmenter.set_input(spec).segment(batch, TextFeatures(text))
        expected = reference(dict(segmenter.state_dict()), batch.tensor, text)
    assert (scores.logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_padded_grid_is_stretched_to_the_unpadded_image_as_the_authors_do(
    segmenter: MaskCLIP, text: Tensor
) -> None:
    spec = InputSpec(50, 128, IMAGENET_MEAN, IMAGENET_STD, 16)
    image = torch.randint(0, 256, (50, 70, 3), generator=torch.Generator().manual_seed(3)).byte().numpy()
    with torch.no_grad():
        batch = prepare([image], spec)
        scores = segmenter.set_input(spec).segment(batch, TextFeatures(text))
        low = reference(dict(segmenter.state_dict()), batch.tensor, text)
    expected = F.interpolate(low, (50, 70), mode="bilinear", align_corners=False)[0]
    assert (full_scores(scores, 0) - expected).abs().max() < 1e-5
    assert (label_maps(scores)[0] == expected.argmax(0)).float().mean() > 0.999


def test_it_loads_clips_own_keys_and_gives_the_same_scores(segmenter: MaskCLIP, text: Tensor) -> None:
    state = segmenter.state_dict()
    official = {name.removeprefix("text."): value for name, value in state.items()}
    official["logit_scale"] = torch.tensor(4.6)
    loaded = load(official, activation="gelu", norm_eps=1e-6).eval()
    assert loaded.visual.size == SIZE
    assert "logit_scale" in loaded.conversion.ignored
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.visual.dense(images), segmenter.visual.dense(images))
        assert torch.equal(loaded.text.encode(["a cat"]), segmenter.text.encode(["a cat"]))
