"""SAN in plain tensor operations and float64, written out from the facts of shared/reference/methods/san.md.

It shares no code with `methods.san`: softmax attention, layer norms, resampling and pooling are spelt out, tensors go by
the authors' names, one image at a time. The sizes below are those of the one small case that `test_san_small.py` runs.
"""

from __future__ import annotations

import math

import torch
from open_clip import tokenize
from torch import Tensor

from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import Geometry

NAMES = ("aeroplane", "dining table", "playing field", "road, route ")
SPEC = InputSpec(64, 160, pad_multiple=32)
# Original sizes; the last one keeps its size, 2 x 8 patches: as many as the square table of 4 x 4 has.
SIZES = ((50, 75), (97, 60), (32, 128))
CLIP_WIDTH, CLIP_HEADS, CLIP_PATCH, CLIP_TABLE, SHALLOW, DEEP, EMBED = 128, 2, 14, 3, 4, 2, 48
TEXT_WIDTH, TEXT_LAYERS = 64, 1
SIDE_WIDTH, SIDE_HEADS, SIDE_PATCH, SIDE_TABLE, SIDE_BLOCKS, QUERIES = 24, 3, 16, 4, 4, 7
MASK_WIDTH, HIDDEN, FACTOR = 10, 12, 0.7
FUSION = {0: 0, 1: 1, 4: 2}  # CLIP block to side block

W = dict[str, Tensor]


def norm(x: Tensor, w: W, name: str, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * w[f"{name}.weight"]
        + w[f"{name}.bias"]
    )


def apply(x: Tensor, w: W, name: str) -> Tensor:
    weight = w[f"{name}.weight"]
    return x @ weight.reshape(len(weight), -1).T + w[f"{name}.bias"]


def softmax(x: Tensor) -> Tensor:
    raised = (x - x.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True)


def attend(x: Tensor, w: W, qkv: str, proj: str, heads: int, mask: Tensor | float) -> Tensor:
    query, key, value = (x @ w[f"{qkv}weight"].T + w[f"{qkv}bias"]).chunk(3, -1)
    mixed = []
    for h in range(heads):
        part = slice(h * x.shape[1] // heads, (h + 1) * x.shape[1] // heads)
        logits = query[:, part] @ key[:, part].T / math.sqrt(x.shape[1] / heads)
        mixed.append(softmax(logits + (mask[h] if isinstance(mask, Tensor) else mask)) @ value[:, part])
    return apply(torch.cat(mixed, -1), w, proj)


def clip_layer(x: Tensor, w: W, name: str, heads: int, mask: Tensor | float = 0.0) -> Tensor:
    x = x + attend(
        norm(x, w, f"{name}.ln_1", 1e-5), w, f"{name}.attn.in_proj_", f"{name}.attn.out_proj", heads, mask
    )
    hidden = apply(norm(x, w, f"{name}.ln_2", 1e-5), w, f"{name}.mlp.c_fc")
    return x + apply(hidden / (1 + (-1.702 * hidden).exp()), w, f"{name}.mlp.c_proj")  # QuickGELU


def side_layer(x: Tensor, w: W, name: str) -> Tensor:
    x = x + attend(
        norm(x, w, f"{name}.norm1", 1e-6), w, f"{name}.attn.qkv.", f"{name}.attn.proj", SIDE_HEADS, 0.0
    )
    hidden = apply(norm(x, w, f"{name}.norm2", 1e-6), w, f"{name}.mlp.fc1")
    return x + apply(hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2, w, f"{name}.mlp.fc2")


def sampling(outputs: int, inputs: int, step: float, cubic: bool) -> Tensor:
    """[outputs, inputs]: row i holds the weights of the inputs around (i + 0.5) * step - 0.5, edges repeated."""
    rows = torch.zeros(outputs, inputs, dtype=torch.float64)
    for i in range(outputs):
        place = (i + 0.5) * step - 0.5
        place = place if cubic else max(place, 0.0)
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            weight = keys(abs(place - tap)) if cubic else max(0.0, 1 - abs(place - tap))
            rows[i, min(max(tap, 0), inputs - 1)] += weight
    return rows


def keys(distance: float, a: float = -0.75) -> float:
    """Keys' cubic kernel."""
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a if distance < 2 else 0.0


def resample(x: Tensor, size: tuple[int, int], step: float | None = None, cubic: bool = False) -> Tensor:
    """[..., H, W] to [..., h, w]; the step is the ratio of sizes unless given."""
    rows, columns = (sampling(n, m, step or m / n, cubic) for n, m in zip(size, x.shape[-2:], strict=True))
    return rows @ x @ columns.T


def patches(x: Tensor, weight: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """[3, H, W] to [h * w, channels]; incomplete patches are dropped."""
    p = weight.shape[-1]
    grid = (x.shape[1] // p, x.shape[2] // p)
    rows = [
        x[:, r * p : (r + 1) * p, c * p : (c + 1) * p].flatten()
        for r in range(grid[0])
        for c in range(grid[1])
    ]
    return torch.stack(rows) @ weight.reshape(len(weight), -1).T, grid


def table(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    side = math.isqrt(len(positions))
    return resample(positions.T.reshape(-1, side, side), grid, cubic=True).flatten(1).T


def reference_text(w: W) -> Tensor:
    """[K, D]; the templates are those of the official `vild` set, irregular full stops and all."""
    sizes = ("small", "medium", "large")
    templates = [
        "a photo of a {}.",
        "This is a photo of a {}",
        "There is a {} in the scene",
        "There is the {} in the scene",
    ]
    templates += ["a photo of a {} in the scene", *(f"a photo of a {size} {{}}." for size in sizes)]
    templates += [f"This is a photo of a {size} {{}}." for size in sizes] + [
        f"There is a {size} {{}} in the scene." for size in sizes
    ]
    causal = torch.full((1, 77, 77), -math.inf, dtype=torch.float64).triu(1)
    words = []
    for name in NAMES:
        each = []
        for tokens in tokenize([template.format(name.strip()) for template in templates]):
            x = w["ov_classifier.token_embedding.weight"][tokens] + w["ov_classifier.positional_embedding"]
            for index in range(TEXT_LAYERS):
                x = clip_layer(x, w, f"ov_classifier.transformer.resblocks.{index}", 1, causal)
            end = (
                norm(x, w, "ov_classifier.ln_final", 1e-5)[tokens.argmax()]
                @ w["ov_classifier.text_projection"]
            )
            each.append(end / end.norm())
        words.append(sum(each) / sum(each).norm())
    return torch.stack(words)


def reference_clip(x: Tensor, w: W) -> tuple[list[Tensor], tuple[int, int]]:
    small = resample(x, (math.floor(x.shape[1] * FACTOR), math.floor(x.shape[2] * FACTOR)), step=1 / FACTOR)
    tokens, grid = patches(small, w["clip_visual_extractor.conv1.weight"])
    tokens = torch.cat([w["clip_visual_extractor.class_embedding"][None], tokens])
    positions = w["clip_visual_extractor.positional_embedding"]
    resized = positions[1:] if grid == (CLIP_TABLE, CLIP_TABLE) else table(positions[1:], grid)
    states = [norm(tokens + torch.cat([positions[:1], resized]), w, "clip_visual_extractor.ln_pre", 1e-5)]
    for index in range(SHALLOW):
        states.append(clip_layer(states[-1], w, f"clip_visual_extractor.resblocks.{index}", CLIP_HEADS))
    return states, grid


def reference_side(
    x: Tensor, w: W, states: list[Tensor], clip_grid: tuple[int, int]
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    name = "side_adapter_network"
    tokens, grid = patches(x, w[f"{name}.vit_model.patch_embed.proj.weight"])
    tokens = tokens + w[f"{name}.vit_model.patch_embed.proj.bias"]
    positions = w[f"{name}.vit_model.pos_embed"][0]
    if len(positions) != len(tokens):
        positions = table(positions, grid)
    positions = torch.cat([w[f"{name}.query_pos_embed"][0], positions])
    tokens = torch.cat([w[f"{name}.query_embed"][0], tokens]) + positions
    for index in range(SIDE_BLOCKS + 1):
        if index:
            tokens = side_layer(tokens, w, f"{name}.vit_model.blocks.{index - 1}")
        for layer, (clip_block_index, side_block) in enumerate(FUSION.items()):
            if side_block == index:
                part = f"{name}.fusion_layers.layer_{layer}.input_proj"
                plane = apply(norm(states[clip_block_index][1:], w, f"{part}.0", 1e-6), w, f"{part}.1")
                added = resample(plane.T.reshape(-1, *clip_grid), grid).flatten(1).T
                tokens = torch.cat([tokens[:QUERIES], tokens[QUERIES:] + added])
        if 0 < index < SIDE_BLOCKS:
            tokens = tokens + positions
    return tokens[:QUERIES], tokens[QUERIES:], grid


def mlp(x: Tensor, w: W, name: str) -> Tensor:
    for index in range(3):
        x = apply(x, w, f"side_adapter_network.mask_decoder.{name}_mlp.layers.{index}")
        x = x.clamp(min=0) if index < 2 else x
    return x


def reference_bias(
    query: Tensor, pixels: Tensor, w: W, grid: tuple[int, int], clip_grid: tuple[int, int]
) -> Tensor:
    """[heads, Q + 1 + L, Q + 1 + L]."""
    scaling = "side_adapter_network.mask_decoder.bias_scaling"
    steering = mlp(pixels, w, "attn").T.reshape(CLIP_HEADS, MASK_WIDTH, -1)
    bias = (query @ steering) * w[f"{scaling}.weight"][0, 0] + w[f"{scaling}.bias"][0]
    bias = bias.reshape(CLIP_HEADS, QUERIES, *grid)
    length = QUERIES + 1 + clip_grid[0] * clip_grid[1]
    mask = torch.zeros(CLIP_HEADS, length, length, dtype=torch.float64)
    mask[:, :, :QUERIES] = -100
    mask[:, range(QUERIES), range(QUERIES)] = 0
    mask[:, :QUERIES, QUERIES] = -100
    for patch in range(length - QUERIES - 1):
        y, x = divmod(patch, clip_grid[1])
        rows = slice(y * grid[0] // clip_grid[0], math.ceil((y + 1) * grid[0] / clip_grid[0]))
        columns = slice(x * grid[1] // clip_grid[1], math.ceil((x + 1) * grid[1] / clip_grid[1]))
        mask[:, :QUERIES, QUERIES + 1 + patch] = bias[:, :, rows, columns].amax((2, 3))
    return mask


def reference_proposals(images: ImageBatch, w: W) -> tuple[Tensor, Tensor]:
    """Of one image: mask logits [Q, h, w] and unit-norm mask embeddings [Q, D]."""
    x = images.tensor[0].double()
    states, clip_grid = reference_clip(x, w)
    queries, pixels, grid = reference_side(x, w, states, clip_grid)
    query = mlp(queries, w, "query")
    masks = (query @ mlp(pixels, w, "pix").T).reshape(QUERIES, *grid)
    mask = reference_bias(query, pixels, w, grid, clip_grid)
    tokens = torch.cat([states[-1][:1].repeat(QUERIES, 1), states[-1]])
    for index in range(DEEP):
        tokens = clip_layer(tokens, w, f"clip_rec_head.resblocks.{index}", CLIP_HEADS, mask)
    embedded = norm(tokens[:QUERIES], w, "clip_rec_head.ln_post", 1e-5) @ w["clip_rec_head.proj"]
    return masks, embedded / embedded.norm(dim=-1, keepdim=True)


def reference_probabilities(embedded: Tensor, text: Tensor, w: W) -> Tensor:
    """[Q, K], the background's column gone."""
    names = torch.cat([text, w["ov_classifier.bg_embed"]])
    names = names / names.norm(dim=-1, keepdim=True)
    return softmax(w["ov_classifier.logit_scale"].exp() * embedded @ names.T)[:, :-1]


def reference_scores(masks: Tensor, probabilities: Tensor, place: Geometry) -> Tensor:
    """[K, H, W] at the original size: logits are resized, then squashed, then mixed."""
    padded = resample(masks, place.padded)[:, : place.valid[0], : place.valid[1]]
    squashed = 1 / (1 + (-resample(padded, place.original)).exp())
    return torch.einsum("qk,qhw->khw", probabilities, squashed)
