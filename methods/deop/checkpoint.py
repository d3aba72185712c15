"""From the authors' detectron2 checkpoints to ours: three renames; sizes are read from the tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from torch import Tensor

from benchbed.checkpoints import assign
from methods.deop.model import DeOP, build, named_size
from methods.deop.sizes import DeOPSize
from methods.parts.inferred_sizes import (
    check_named,
    clip_size,
    grid_side,
    members,
    proposal_size,
    resnet_size,
    shape,
)

CLIP: Final = "clip_adapter.clip_model."
# Official prefix -> ours, the first match counts. backbone., sem_seg_head., decoder. and query_embedding. stay.
RENAMED: Final = {
    f"{CLIP}visual.": "visual.",
    CLIP: "text.",
    "clip_adapter.prompt_learner.": "prompt.",
    "clip_adapter.non_object_embedding": "non_object_embedding",
}
IGNORED: Final = {
    "criterion.empty_weight": "class weights of the proposals' training loss",
    f"{CLIP}logit_scale": "DeOP's temperature is a constant 100",
}


def load(
    tensors: Mapping[str, Tensor],
    size: str | None = None,
    layers_mask_guided: Sequence[int] | None = None,
    multi_grid: Sequence[int] = (1, 2, 4),
    heads: int = 8,
    heatmap_heads: int = 8,
    short_side: int = 512,
    longest_side: int = 2048,
) -> DeOP:
    """Build a DeOP from an official checkpoint's tensors, or from a `state_dict` of our own.

    Args:
        tensors: by official name (what stands under "model" in the file), or by ours, which takes `size` and no keyword
            that describes an architecture.
        size: a variant's size name that the checkpoint must be of; it gives what shapes cannot tell. None: any size.
        layers_mask_guided: indices of severed CLIP blocks (LAYERMASKVIT); None means the last one, as released.
        multi_grid: dilations of res5's blocks (RES5_MULTI_GRID).
        heads: of the proposals' transformer decoder.
        heatmap_heads: of the classification decoder.
        short_side, longest_side: the input rule, pixels.

    Raises:
        CheckpointError: a tensor is missing, left over, of another size, or not finite.
    """
    if "visual.conv1.weight" in tensors:
        return _own(tensors, size or "r101c-vit-b16", short_side, longest_side)
    names = {name: _renamed(name) for name in tensors if name not in IGNORED}
    found = inferred(tensors, layers_mask_guided, tuple(multi_grid), heads, heatmap_heads)
    if size is not None:
        check_named(found, named_size(size), "deop", size)
    segmenter = build(found, short_side, longest_side)
    ignored = {name: reason for name, reason in IGNORED.items() if name in tensors}
    conversion = assign(segmenter, {new: tensors[old] for old, new in names.items()}, ignored)
    segmenter.conversion = replace(conversion, used=tuple(names))
    return segmenter


def _own(tensors: Mapping[str, Tensor], size: str, short_side: int, longest_side: int) -> DeOP:
    segmenter = build(size, short_side, longest_side)
    segmenter.conversion = assign(segmenter, tensors)
    return segmenter


def inferred(
    tensors: Mapping[str, Tensor],
    severed: Sequence[int] | None = None,
    multi_grid: tuple[int, ...] = (1, 2, 4),
    heads: int = 8,
    heatmap_heads: int = 8,
) -> DeOPSize:
    """Sizes from shapes, and from keywords where shapes do not tell.

    Raises:
        CheckpointError: a tensor that sizes are read from is missing.
    """
    clip = clip_size(tensors, CLIP)
    blocks = f"{CLIP}visual.transformer.resblocks."
    placed = [index for index in range(clip.layers) if f"{blocks}{index}.learned_position" in tensors]
    return DeOPSize(
        clip=clip,
        backbone=resnet_size(tensors, multi_grid),
        proposals=proposal_size(tensors, heads),
        severed=(clip.layers - 1,) if severed is None else tuple(severed),
        position_layers=tuple(placed),
        position_grid=grid_side(shape(tensors, f"{CLIP}visual.learned_position", 2)[0]),
        heatmap_layers=members(tensors, "decoder.layers."),
        heatmap_heads=heatmap_heads,
        heatmap_feedforward=shape(tensors, "decoder.layers.0.linear1.weight", 2)[0],
        context_vectors=shape(tensors, "clip_adapter.prompt_learner.prefix_prompt", 2)[0],
    )


def _renamed(name: str) -> str:
    for official, ours in RENAMED.items():
        if name.startswith(official):
            return ours + name[len(official) :]
    if name.startswith("decoder.layers."):
        # The authors subclassed their cross-attention; in these layers it computes what torch's does.
        return name.replace(".multihead_attn_my.", ".multihead_attn.")
    return name
