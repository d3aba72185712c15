"""LSeg's parts against plain references written here from the definitions, so that no shared file is needed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from methods.lseg.decoder import Decoder, Fusion, ResidualUnit
from methods.lseg.linear import TokenLinear
from methods.lseg.reassemble import Reassemble
from methods.lseg.regularisation import Regularisation
from methods.lseg.similarity import similarities
from methods.lseg.sizes import LSegSize
from methods.lseg.sliding import multi_scale
from methods.lseg.vit import VitEncoder, position_at

TOLERANCE = 1e-4
SEEDS = range(3)


def agree(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


def unsettled(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Evaluation mode, every parameter and statistic drawn, so that nothing is an identity by accident."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(
                values + 0.5 if name.endswith(("running_var", "norm1.weight")) else (values - 0.5) * 0.6
            )
    return module.eval()


# Resizes and convolutions one pixel at a time.


def place(index: int, source: int, target: int, aligned: bool) -> tuple[int, int, float]:
    """The two source pixels and the second one's weight for a pixel of the target."""
    if aligned:
        position = index * (source - 1) / (target - 1) if target > 1 else 0.0
    else:
        position = max(0.0, (index + 0.5) * source / target - 0.5)
    low = min(int(position), source - 1)
    return low, min(low + 1, source - 1), position - low


def bilinear(maps: Tensor, height: int, width: int, aligned: bool = True) -> Tensor:
    """[B, C, h, w] to [B, C, height, width]."""
    result = maps.new_zeros(*maps.shape[:2], height, width)
    for y in range(height):
        top, bottom, down = place(y, maps.shape[2], height, aligned)
        for x in range(width):
            left, right, along = place(x, maps.shape[3], width, aligned)
            upper = maps[:, :, top, left] * (1 - along) + maps[:, :, top, right] * along
            lower = maps[:, :, bottom, left] * (1 - along) + maps[:, :, bottom, right] * along
            result[:, :, y, x] = upper * (1 - down) + lower * down
    return result


def convolved(maps: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """3x3, zeros around, no bias."""
    batch, _, height, width = maps.shape
    framed = maps.new_zeros(batch, maps.shape[1], height + 2, width + 2)
    framed[:, :, 1:-1, 1:-1] = maps
    rows, columns = range(0, height, stride), range(0, width, stride)
    result = maps.new_zeros(batch, weight.shape[0], len(rows), len(columns))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            result[:, :, i, j] = torch.einsum("bcyx,dcyx->bd", framed[:, :, y : y + 3, x : x + 3], weight)
    return result


def mixed(maps: Tensor, conv: torch.nn.Conv2d) -> Tensor:
    """1x1."""
    assert conv.bias is not None
    return torch.einsum("bchw,dc->bdhw", maps, conv.weight[:, :, 0, 0]) + conv.bias[:, None, None]


def spread(maps: Tensor, conv: torch.nn.ConvTranspose2d, factor: int) -> Tensor:
    """Every pixel paints a block of its own."""
    assert conv.bias is not None
    batch, _, height, width = maps.shape
    blocks = torch.einsum("bchw,cdyx->bdhywx", maps, conv.weight)
    return blocks.reshape(batch, -1, height * factor, width * factor) + conv.bias[:, None, None]


def exact_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def normalised(maps: Tensor, norm: torch.nn.BatchNorm2d) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + 1e-5)
    return maps * scale[:, None, None] + (norm.bias - norm.running_mean * scale)[:, None, None]


def unit_reference(unit: ResidualUnit, x: Tensor) -> Tensor:
    first = normalised(convolved(x.clamp_min(0), unit.conv1.weight), unit.bn1)
    return x + normalised(convolved(first.clamp_min(0), unit.conv2.weight), unit.bn2)


def fusion_reference(fusion: Fusion, x: Tensor, lateral: Tensor | None) -> Tensor:
    if lateral is not None:
        assert fusion.skip is not None
        x = x + unit_reference(fusion.skip, lateral)
    refined = unit_reference(fusion.refine, x)
    return mixed(bilinear(refined, 2 * x.shape[2], 2 * x.shape[3]), fusion.out)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("patch", "stride"), [(16, 4), (16, 8), (16, 16), (16, 32), (32, 4), (32, 32), (8, 32)]
)
@torch.no_grad()
def test_readout_and_resampling(seed: int, patch: int, stride: int) -> None:
    torch.manual_seed(seed)
    part = unsettled(Reassemble(6, 5, patch, stride), seed)
    assert isinstance(part, Reassemble)
    tokens, grid = torch.randn(2, 1 + 4 * 8, 6), (4, 8)
    features = torch.zeros(2, 6, *grid)
    for image in range(2):
        for index in range(4 * 8):
            joined = torch.cat([tokens[image, 1 + index], tokens[image, 0]])
            features[image, :, index // 8, index % 8] = exact_gelu(
                part.readout.weight @ joined + part.readout.bias
            )
    expected = mixed(features, part.project)
    if patch > stride:
        assert isinstance(part.resize, torch.nn.ConvTranspose2d)
        expected = spread(expected, part.resize, patch // stride)
    elif patch < stride:
        assert isinstance(part.resize, torch.nn.Conv2d)
        assert part.resize.bias is not None
        expected = convolved(expected, part.resize.weight, stride // patch) + part.resize.bias[:, None, None]
    agree(part(tokens, grid), expected)
    assert expected.shape[2:] == (4 * patch // stride, 8 * patch // stride)


@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_decoder(seed: int) -> None:
    torch.manual_seed(seed)
    decoder = unsettled(Decoder((3, 4, 5, 6), 4, 7), seed)
    assert isinstance(decoder, Decoder)
    levels = [
        torch.randn(2, channels, 16 >> level, 8 >> level) for level, channels in enumerate((3, 4, 5, 6))
    ]
    path: Tensor | None = None
    for level in (3, 2, 1, 0):
        lateral, fusion = decoder.lateral[level], decoder.fusion[level]
        assert isinstance(fusion, Fusion)
        narrowed = convolved(levels[level], lateral.weight)  # type: ignore[arg-type]
        path = (
            fusion_reference(fusion, narrowed, None)
            if path is None
            else fusion_reference(fusion, path, narrowed)
        )
        agree(decoder.paths(levels)[level], path)
    assert path is not None
    agree(decoder(levels), mixed(path, decoder.head))
    assert path.shape == (2, 4, 32, 16)


@pytest.mark.parametrize("kind", ["bottleneck", "depthwise"])
@pytest.mark.parametrize("depth", [0, 1, 2, 4])
@pytest.mark.parametrize("activation", ["lrelu", "tanh", "relu"])
@pytest.mark.parametrize("labels", [1, 2, 7])
@torch.no_grad()
def test_regularisation(kind: str, depth: int, activation: str, labels: int) -> None:
    torch.manual_seed(labels)
    block = unsettled(Regularisation(kind, depth, activation), depth)
    assert isinstance(block, Regularisation)
    assert sum(parameter.numel() for parameter in block.parameters()) == 10
    bend: Callable[[Tensor], Tensor] = {
        "lrelu": lambda x: torch.where(x > 0, x, 0.01 * x),
        "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        "relu": lambda x: x.clamp_min(0),
    }[activation]
    expected = logits = torch.randn(2, labels, 5, 6)
    assert block.depthwise.bias is not None
    for run in range(max(depth, 1)):
        largest = expected.amax(1) if kind == "bottleneck" else torch.zeros(2, 5, 6)
        maps = [convolved(expected[:, k, None], block.depthwise.weight)[:, 0] for k in range(labels)]
        expected = torch.stack([each + block.depthwise.bias + largest for each in maps], 1)
        if run < depth - 1:
            expected = bend(expected)
    agree(block(logits), expected)
    order = torch.randperm(labels)
    agree(block(logits[:, order]), expected[:, order])


@pytest.mark.parametrize("seed", SEEDS)
def test_similarity(seed: int) -> None:
    torch.manual_seed(seed)
    pixels, labels = torch.randn(2, 16, 3, 4), torch.nn.functional.normalize(torch.randn(5, 16), dim=-1)
    expected, rounded = torch.zeros(2, 5, 3, 4), torch.zeros(2, 5, 3, 4)
    scale = torch.tensor(math.log(1 / 0.07)).exp()
    for image in range(2):
        for y in range(3):
            for x in range(4):
                pixel = pixels[image, :, y, x] / pixels[image, :, y, x].norm()
                expected[image, :, y, x] = scale * (labels @ pixel)
                # The official expression; on a CPU torch may sum it in half precision, hence the tolerance of a few units.
                rounded[image, :, y, x] = ((scale * pixel.half()) @ labels.half().T).float()
    agree(similarities(pixels, labels), expected)
    half = similarities(pixels, labels, "fp16")
    assert torch.equal(half, half.half().float())
    assert (half - rounded).abs().max() <= 4 * 2**-7  # half precision has steps of 2**-7 between 8 and 16
    assert not torch.equal(half, similarities(pixels, labels))


@pytest.mark.parametrize("grid", [(4, 4), (3, 7), (8, 2), (1, 1)])
def test_position_table(grid: tuple[int, int]) -> None:
    torch.manual_seed(1)
    table = torch.randn(1, 1 + 16, 6)
    patches = table[0, 1:].T.reshape(1, 6, 4, 4)
    expected = bilinear(patches, *grid, aligned=False)[0].flatten(1).T
    agree(position_at(table, grid)[0, 1:], expected)
    assert torch.equal(position_at(table, grid)[:, 0], table[:, 0])


@torch.no_grad()
def test_encoder_blocks() -> None:
    """Pre-norm blocks with epsilon 1e-6 and exact GELU; what is read is a block's output, not the normed one."""
    torch.manual_seed(2)
    size = LSegSize(width=12, layers=4, heads=3, patch=16, table_image=32, hooks=(0, 1, 2, 3))
    encoder = unsettled(VitEncoder(size), 2)
    assert isinstance(encoder, VitEncoder)
    images = torch.randn(2, 3, 48, 32)
    weights = encoder.state_dict()
    levels, grid = encoder(images)
    assert grid == (3, 2)
    cut = images.reshape(2, 3, 3, 16, 2, 16)
    patches = torch.einsum("bchywx,dcyx->bhwd", cut, weights["patch_embed.proj.weight"]).reshape(2, 6, 12)
    patches = patches + weights["patch_embed.proj.bias"]
    tokens = torch.cat([weights["cls_token"].expand(2, 1, 12), patches], 1) + position_at(
        weights["pos_embed"], grid
    )
    for index, level in enumerate(levels):
        block = {name.removeprefix(f"blocks.{index}."): value for name, value in weights.items()}
        tokens = block_reference(tokens, block, heads=3)
        agree(level, tokens)


def block_reference(tokens: Tensor, block: dict[str, Tensor], heads: int) -> Tensor:
    def linear(x: Tensor, name: str) -> Tensor:
        return x @ block[f"{name}.weight"].T + block[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        deviation = x - x.mean(-1, keepdim=True)
        variance = (deviation**2).mean(-1, keepdim=True)
        return deviation / torch.sqrt(variance + 1e-6) * block[f"{name}.weight"] + block[f"{name}.bias"]

    queries, keys, values = linear(norm(tokens, "norm1"), "attn.qkv").chunk(3, -1)
    width = tokens.shape[-1] // heads
    parts = []
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        attention = (queries[..., own] @ keys[..., own].transpose(1, 2) / math.sqrt(width)).softmax(-1)
        parts.append(attention @ values[..., own])
    tokens = tokens + linear(torch.cat(parts, -1), "attn.proj")
    return tokens + linear(exact_gelu(linear(norm(tokens, "norm2"), "mlp.fc1")), "mlp.fc2")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 901, 24), (3, 5, 24), (1, 1, 24), (5, 24)])
def test_token_linear_is_a_linear_layer(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(4)
    plain = torch.nn.Linear(24, 40, bias)
    layer = TokenLinear.of(plain)
    assert [name for name, _ in layer.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert all(ours is theirs for ours, theirs in zip(layer.parameters(), plain.parameters(), strict=True))
    tokens = torch.randn(shape, requires_grad=True)
    expected = tokens @ plain.weight.T + (plain.bias if bias else 0.0)
    agree(layer(tokens), expected)
    (gradient,) = torch.autograd.grad(layer(tokens).square().sum(), tokens)
    agree(gradient, 2 * expected.detach() @ plain.weight)
    with torch.no_grad():
        found = layer(tokens)
    agree(found, expected)
    assert found.is_contiguous()


# The evaluator, as section 4.1 of the dossier tells it.


def evaluator_reference(
    image: Tensor, network: Callable[[Tensor], Tensor], size: LSegSize, colour: float
) -> Tensor:
    height, width = image.shape[2:]
    crop, stride = size.crop_size, int(size.crop_size * 2 / 3)
    total: Tensor | float = 0.0
    for scale in size.scales:
        longest = math.ceil(size.base_size * scale)
        h = longest if height > width else int(height * longest / width + 0.5)
        w = int(width * longest / height + 0.5) if height > width else longest
        canvas = torch.full((1, 3, max(h, crop), max(w, crop)), colour)
        canvas[:, :, :h, :w] = bilinear(image, h, w)
        sums, hits = torch.zeros(1, 2, *canvas.shape[2:]), torch.zeros(canvas.shape[2:])
        for top in range(0, max(1, canvas.shape[2] - crop + stride), stride):
            for left in range(0, max(1, canvas.shape[3] - crop + stride), stride):
                window = torch.full((1, 3, crop, crop), colour)
                piece = canvas[:, :, top : top + crop, left : left + crop]
                window[:, :, : piece.shape[2], : piece.shape[3]] = piece
                logits = network(window)
                if size.flip:
                    logits = logits + network(window.flip(3)).flip(3)
                sums[:, :, top : top + crop, left : left + crop] += logits[
                    :, :, : piece.shape[2], : piece.shape[3]
                ]
                hits[top : top + crop, left : left + crop] += 1
        total = total + bilinear((sums / hits)[:, :, :h, :w], height, width)
    assert isinstance(total, Tensor)
    return total


@pytest.mark.parametrize(("height", "width"), [(20, 33), (33, 20), (30, 30), (64, 20)])
@pytest.mark.parametrize("flip", [True, False])
def test_evaluator(height: int, width: int, flip: bool) -> None:
    torch.manual_seed(height)
    size = LSegSize(base_size=40, crop_size=32, scales=(0.5, 0.8, 1.0, 1.75), flip=flip)
    weight = torch.randn(2, 3, 3, 3) * 0.3
    ramp = torch.arange(32.0)[None, None, None] * 0.02  # so that flips and window positions matter
    seen: list[int] = []

    def network(windows: Tensor) -> Tensor:
        seen.append(len(windows))
        return torch.nn.functional.conv2d(windows, weight, padding=1).tanh() + ramp

    image = torch.randn(1, 3, height, width)
    found = multi_scale(image, network, size, torch.full((3,), -1.0))
    assert set(seen) == {2 if flip else 1}
    agree(found, evaluator_reference(image, network, size, -1.0))
