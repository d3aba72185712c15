"""From CLIP's own keys (OpenAI, open_clip) to MaskCLIP's: `visual.*` stays, the text tower moves below `text.`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_sizes import ClipSize
from benchbed.clip_weights import CLIP_IGNORED, whole_table
from benchbed.errors import CheckpointError
from methods.maskclip.model import MaskCLIP, build

IGNORED: Final = {"logit_scale": "argmax needs no temperature", **CLIP_IGNORED}


def load(tensors: Mapping[str, Tensor], **overrides: Any) -> MaskCLIP:
    """Build a MaskCLIP from a ViT CLIP's tensors; sizes are read from their shapes.

    Raises:
        CheckpointError: not a ViT CLIP with both towers, or a tensor is missing or left over.
    """
    overrides.pop("clip", None)
    tensors = whole_table(tensors)
    segmenter = build(size=size_of(tensors), **overrides)
    ignored = {name: reason for name, reason in IGNORED.items() if name in tensors}
    renamed = {
        name if name.startswith("visual.") else f"text.{name}": value
        for name, value in tensors.items()
        if name not in ignored
    }
    segmenter.conversion = assign(segmenter, renamed, ignored)
    return segmenter


def size_of(tensors: Mapping[str, Tensor]) -> ClipSize:
    """A CLIP's sizes from the shapes of its tensors.

    Raises:
        CheckpointError: a tensor that every ViT CLIP has is missing.
    """
    try:
        width, _, patch, _ = tensors["visual.conv1.weight"].shape
        side = round((tensors["visual.positional_embedding"].shape[0] - 1) ** 0.5)
        words, text_width = tensors["token_embedding.weight"].shape
        context = tensors["positional_embedding"].shape[0]
        embed_dim = tensors["text_projection"].shape[1]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"no ViT CLIP: {error} not found as expected; expected OpenAI's or open_clip's tensors of both towers "
            "(the authors' converted files hold the image tower alone and cannot serve an open vocabulary)"
        ) from error
    layers, text_layers = _blocks(tensors, "visual.transformer."), _blocks(tensors, "transformer.")
    return ClipSize(embed_dim, side * patch, patch, width, layers, text_width, text_layers, context, words)


def _blocks(tensors: Mapping[str, Tensor], prefix: str) -> int:
    start = f"{prefix}resblocks."
    return len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)})
