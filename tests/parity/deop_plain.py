"""DeOP written out plainly from its description (shared/reference/methods/deop.md, 1.4 to 1.8), by official key names.

Nothing is simplified: block 11 sums over all proposals in one einsum with 100 x tokens x 64 values a head, CLS included;
attention is a loop over heads; prompts fill all 77 places. Proposals are taken as given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip import tokenize
from torch import Tensor

State = Mapping[str, Tensor]
VISUAL = "clip_adapter.clip_model.visual."
TEXT = "clip_adapter.clip_model."
PROMPT = "clip_adapter.prompt_learner."


@dataclass(frozen=True)
class Plain:
    """Official tensors and what their shapes do not say."""

    state: State
    severed: tuple[int, ...]
    heads: int
    heatmap_heads: int

    def linear(self, x: Tensor, name: str) -> Tensor:
        return torch.einsum("...i,oi->...o", x, self.state[f"{name}.weight"]) + self.state[f"{name}.bias"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def projected(self, x: Tensor, name: str, part: int) -> Tensor:
        """Query (0), key (1) or value (2) of a fused projection."""
        weight = self.state[f"{name}.in_proj_weight"].chunk(3)[part]
        return torch.einsum("...i,oi->...o", x, weight) + self.state[f"{name}.in_proj_bias"].chunk(3)[part]

    def attention(
        self, q: Tensor, k: Tensor, v: Tensor, name: str, heads: int, mask: Tensor | None = None
    ) -> Tensor:
        """[Q, d], [L, d], [L, d] -> [Q, d], head by head."""
        q, k, v = (self.projected(x, name, part) for part, x in enumerate((q, k, v)))
        pooled = []
        for qh, kh, vh in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
            scores = torch.einsum("qc,lc->ql", qh, kh) / math.sqrt(qh.shape[-1])
            pooled.append((scores if mask is None else scores + mask).softmax(-1) @ vh)
        return self.linear(torch.cat(pooled, -1), f"{name}.out_proj")

    def mlp(self, x: Tensor, name: str) -> Tensor:
        hidden = self.linear(x, f"{name}.mlp.c_fc")
        return self.linear(hidden / (1 + (-1.702 * hidden).exp()), f"{name}.mlp.c_proj")


def resized(table: Tensor, grid: tuple[int, int]) -> Tensor:
    side = math.isqrt(len(table) - 1)
    patches = table[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    patches = F.interpolate(patches, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([table[:1], patches[0].permute(1, 2, 0).reshape(grid[0] * grid[1], -1)])


def clip_features(plain: Plain, image: Tensor, mask_logits: Tensor) -> Tensor:
    """One image [3, H, W] and its masks [Q, H/4, W/4] -> [h, w, D], not normalised."""
    state = plain.state
    patches = F.conv2d(
        image[None], state[f"{VISUAL}conv1.weight"], stride=state[f"{VISUAL}conv1.weight"].shape[-1]
    )
    grid = (patches.shape[2], patches.shape[3])
    x = torch.cat([state[f"{VISUAL}class_embedding"][None], patches[0].permute(1, 2, 0).flatten(0, 1)])
    x = x + resized(state[f"{VISUAL}positional_embedding"], grid)
    x = plain.norm(x + placed(state[f"{VISUAL}learned_position"], grid), f"{VISUAL}ln_pre")
    index = 0
    while f"{VISUAL}transformer.resblocks.{index}.ln_1.weight" in state:
        block = f"{VISUAL}transformer.resblocks.{index}"
        if f"{block}.learned_position" in state:
            x = x + placed(state[f"{block}.learned_position"], grid)
        y = plain.norm(x, f"{block}.ln_1")
        if index in plain.severed:
            x = x + severed_attention(plain, y, mask_logits, grid, block)
        else:
            x = x + plain.attention(y, y, y, f"{block}.attn", plain.heads)
        x = x + plain.mlp(plain.norm(x, f"{block}.ln_2"), block)
        index += 1
    features = plain.norm(x[1:], f"{VISUAL}ln_post") @ state[f"{VISUAL}proj"]
    return features.reshape(*grid, -1)


def placed(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Learned positions stay as they are where their count fits."""
    return table if len(table) == 1 + grid[0] * grid[1] else resized(table, grid)


def severed_attention(
    plain: Plain, y: Tensor, mask_logits: Tensor, grid: tuple[int, int], block: str
) -> Tensor:
    """The sum over all Q proposals, each weighting every token's value; a column of ones stands for CLS."""
    masks = F.interpolate(mask_logits[None], size=grid, mode="bilinear", align_corners=False)[0]
    weights = torch.sigmoid(masks).flatten(1)
    weights = torch.cat([torch.ones(len(weights), 1), weights], dim=1)
    values = torch.stack(plain.projected(y, f"{block}.attn", 2).chunk(plain.heads, -1))
    weighted = torch.einsum("ql,hlc->hqlc", weights, values).sum(1)
    return plain.linear(torch.cat(list(weighted), -1), f"{block}.attn.out_proj")


def anchor_features(plain: Plain, features: Tensor, mask_logits: Tensor) -> Tensor:
    """[h, w, D] and [Q, H/4, W/4] -> [Q, D], unit norm."""
    height, width, channels = features.shape
    memory = features.reshape(-1, channels)
    memory = memory / memory.norm(dim=-1, keepdim=True)
    queries = plain.state["query_embedding.weight"]
    keys, heads = memory + sine(height, width, channels), plain.heatmap_heads
    x, layer = torch.zeros_like(queries), 0
    while (name := f"decoder.layers.{layer}") + ".norm1.weight" in plain.state:
        x = plain.norm(
            x + plain.attention(x + queries, x + queries, x, f"{name}.self_attn", heads), f"{name}.norm1"
        )
        cross = plain.attention(x + queries, keys, memory, f"{name}.multihead_attn_my", heads)
        x = plain.norm(x + cross, f"{name}.norm2")
        hidden = plain.linear(x, f"{name}.linear1").clamp(min=0)
        x = plain.norm(x + plain.linear(hidden, f"{name}.linear2"), f"{name}.norm3")
        layer += 1
    out = "decoder.outlayer"
    x = plain.norm(
        x + plain.attention(x + queries, x + queries, x, f"{out}.self_attn", heads), f"{out}.norm1"
    )
    masks = F.interpolate(mask_logits.sigmoid()[None], (height, width), mode="bilinear", align_corners=False)
    pooled = heat_pooled(plain, x + queries, keys, memory, masks[0].flatten(1))
    return pooled / pooled.norm(dim=-1, keepdim=True)


def heat_pooled(plain: Plain, q: Tensor, keys: Tensor, memory: Tensor, masks: Tensor) -> Tensor:
    """Each head pools its own slice of the memory with softmax(qk / sqrt(d)) times the mask."""
    name = "decoder.outlayer.multihead_attn_my"
    q, k = plain.projected(q, name, 0), plain.projected(keys, name, 1)
    pooled = []
    for head in range(plain.heatmap_heads):
        part = slice(head * q.shape[1] // plain.heatmap_heads, (head + 1) * q.shape[1] // plain.heatmap_heads)
        heat = torch.einsum("qc,lc->ql", q[:, part], k[:, part]) / math.sqrt(part.stop - part.start)
        pooled.append(torch.einsum("ql,ql,lc->qc", heat.softmax(-1), masks, memory[:, part]))
    return torch.cat(pooled, -1)


def sine(height: int, width: int, channels: int) -> Tensor:
    """DETR's PositionEmbeddingSine(channels / 2, normalize=True), number by number: [height * width, channels]."""
    steps = channels // 2
    result = torch.zeros(height, width, channels)
    for row in range(height):
        for column in range(width):
            for half, (place, count) in enumerate(((row + 1, height), (column + 1, width))):
                for i in range(steps):
                    angle = place / (count + 1e-6) * 2 * math.pi / 10000 ** (2 * (i // 2) / steps)
                    result[row, column, half * steps + i] = math.cos(angle) if i % 2 else math.sin(angle)
    return result.flatten(0, 1)


def class_logits(plain: Plain, anchors: Tensor, text: Tensor) -> Tensor:
    nothing = plain.state["clip_adapter.non_object_embedding"]
    return 100 * anchors @ torch.cat([text, nothing / nothing.norm()]).T


def score_maps(
    logits: Tensor, mask_logits: Tensor, padded: tuple[int, int], valid: tuple[int, int]
) -> Tensor:
    """[Q, K + 1] and [Q, H/4, W/4] -> [K, *valid]."""
    masks = F.interpolate(mask_logits[None], padded, mode="bilinear", align_corners=False)[0]
    masks = masks[:, : valid[0], : valid[1]].sigmoid()
    return torch.einsum("qk,qhw->khw", logits.softmax(-1)[:, :-1], masks)


def text_features(plain: Plain, names: list[str]) -> Tensor:
    """[K, D], unit norm; one prompt at a time, all 77 places."""
    return torch.cat([_text_feature(plain, name) for name in names])


def _text_feature(plain: Plain, name: str) -> Tensor:
    state = plain.state
    ids = tokenize([name])[0]
    word = ids[1 : int(ids.argmax())]  # between [SOT] and [EOT], which has the highest id
    pad, prefix = state[f"{PROMPT}pad_signal"], state[f"{PROMPT}prefix_prompt"]
    rows = [state[f"{PROMPT}start_signal"], prefix, state[f"{TEXT}token_embedding.weight"][word]]
    rows += [state[f"{PROMPT}dot_signal"], state[f"{PROMPT}end_signal"]]
    x = torch.cat(rows)
    end, context = len(x) - 1, len(state[f"{TEXT}positional_embedding"])
    x = torch.cat([x, pad.expand(context - len(x), -1)]) + state[f"{TEXT}positional_embedding"]
    mask = torch.full((context, context), -math.inf).triu(1)
    index = 0
    while (block := f"{TEXT}transformer.resblocks.{index}") + ".ln_1.weight" in state:
        y = plain.norm(x, f"{block}.ln_1")
        x = x + plain.attention(y, y, y, f"{block}.attn", max(1, x.shape[1] // 64), mask)
        x = x + plain.mlp(plain.norm(x, f"{block}.ln_2"), block)
        index += 1
    feature = plain.norm(x[end : end + 1], f"{TEXT}ln_final") @ state[f"{TEXT}text_projection"]
    return feature / feature.norm()
