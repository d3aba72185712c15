"""Sizes of the shared parts, read from the shapes of an official checkpoint's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

from torch import Tensor

from benchbed.clip_sizes import ClipSize
from benchbed.errors import CheckpointError
from methods.parts.proposal_network import ProposalSize
from methods.parts.resnet import STAGES, ResNetSize

Tensors = Mapping[str, Tensor]


def shape(tensors: Tensors, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there.

    Raises:
        CheckpointError: it is not there, or has another number of dimensions.
    """
    if name not in tensors:
        raise CheckpointError(
            f"no tensor {name!r}, from which a size is read; is it a checkpoint of another method?"
        )
    found = tuple(tensors[name].shape)
    if len(found) != dimensions:
        raise CheckpointError(
            f"{name} has shape {found}: expected {dimensions} dimensions; is it of another method?"
        )
    return found


def members(tensors: Tensors, prefix: str) -> int:
    """How many numbered members stand directly below `prefix`, counted from 0."""
    numbers = {name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)}
    return sum(number.isdigit() for number in numbers)


def resnet_size(
    tensors: Tensors, multi_grid: tuple[int, ...] | None = None, prefix: str = "backbone."
) -> ResNetSize:
    """A detectron2 ResNet's sizes.

    Args:
        tensors: by official name.
        multi_grid: dilations of res5, which shapes cannot tell; None means (1, 2, 4) with DeepLab's stem and no
            dilation with the basic one, as in every published configuration.
        prefix: of the backbone's names.
    """
    deeplab = f"{prefix}stem.conv2.weight" in tensors
    last = "conv3" if deeplab else "conv1"
    blocks = tuple(members(tensors, f"{prefix}{stage}.") for stage in STAGES)
    return ResNetSize(
        blocks=blocks,  # type: ignore[arg-type]
        stem="deeplab" if deeplab else "basic",
        stem_channels=shape(tensors, f"{prefix}stem.{last}.weight", 4)[0],
        group_channels=shape(tensors, f"{prefix}res2.0.conv2.weight", 4)[0],
        res2_channels=shape(tensors, f"{prefix}res2.0.conv3.weight", 4)[0],
        multi_grid=tuple(multi_grid or ((1, 2, 4) if deeplab else (1, 1, 1))),
    )


def proposal_size(tensors: Tensors, heads: int = 8, prefix: str = "sem_seg_head.") -> ProposalSize:
    """A MaskFormer head's sizes; `heads` of the transformer decoder cannot be told from shapes."""
    predictor = f"{prefix}predictor."
    decoder = f"{predictor}transformer.decoder.layers."
    queries, hidden = shape(tensors, f"{predictor}query_embed.weight", 2)
    mask_width, width, *_ = shape(tensors, f"{prefix}pixel_decoder.mask_features.weight", 4)
    embed = f"{predictor}class_embed.layers."
    return ProposalSize(
        width=width,
        mask_width=mask_width,
        hidden=hidden,
        heads=heads,
        feedforward=shape(tensors, f"{decoder}0.linear1.weight", 2)[0],
        layers=members(tensors, decoder),
        queries=queries,
        class_embed=tuple(shape(tensors, f"{embed}{k}.weight", 2)[0] for k in range(members(tensors, embed))),
    )


def clip_size(tensors: Tensors, prefix: str = "clip_adapter.clip_model.") -> ClipSize:
    """A ViT CLIP's sizes, both towers."""
    width, _, patch, _ = shape(tensors, f"{prefix}visual.conv1.weight", 4)
    side = grid_side(shape(tensors, f"{prefix}visual.positional_embedding", 2)[0])
    words, text_width = shape(tensors, f"{prefix}token_embedding.weight", 2)
    return ClipSize(
        embed_dim=shape(tensors, f"{prefix}text_projection", 2)[1],
        image_size=side * patch,
        patch=patch,
        width=width,
        layers=members(tensors, f"{prefix}visual.transformer.resblocks."),
        text_width=text_width,
        text_layers=members(tensors, f"{prefix}transformer.resblocks."),
        context=shape(tensors, f"{prefix}positional_embedding", 2)[0],
        words=words,
    )


def grid_side(rows: int) -> int:
    """Side of the square grid behind a position table of 1 + side * side rows."""
    return isqrt(rows - 1)


def check_named(found: object, expected: object, method: str, name: str) -> None:
    """A checkpoint that was asked for by a variant's name must have its sizes.

    Raises:
        CheckpointError: it has not; the message names the first that differs.
    """
    for part, size in vars(expected).items():
        if getattr(found, part) != size:
            raise CheckpointError(
                f"is no {method}/{name}: {part} is {getattr(found, part)}, expected {size}; "
                f"load it as plain {method!r} to take all sizes from the file"
            )
