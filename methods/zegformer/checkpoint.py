"""From the authors' detectron2 checkpoints to ours; sizes are read from the tensors' shapes, CLIP from a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_weights import CLIP_IGNORED, read_clip
from benchbed.errors import CheckpointError
from benchbed.weights import folder
from methods.parts.inferred_sizes import check_named, clip_size, proposal_size, resnet_size
from methods.zegformer.card import CLIP_FILE
from methods.zegformer.model import ZegFormer, build
from methods.zegformer.sizes import ZegFormerSize, named_size

PREDICTOR: Final = "sem_seg_head.predictor."
CLIP: Final = f"{PREDICTOR}clip_model."
# Official prefix -> ours, the first match counts. backbone. and the rest of sem_seg_head. stay.
RENAMED: Final = {
    f"{CLIP}visual.": "visual.",
    f"{CLIP}logit_scale": "clip_scale",
    CLIP: "text.",
    f"{PREDICTOR}projection_layer.": "class_head.projection_layer.",
    f"{PREDICTOR}bg_feature": "class_head.bg_feature",
    f"{PREDICTOR}logit_scale": "class_head.logit_scale",
}
IGNORED: Final = {"criterion.empty_weight": "class weights of the training loss"}


def load(
    tensors: Mapping[str, Tensor],
    size: str | None = None,
    clip: str | Path | None = None,
    heads: int = 8,
    **choices: Any,
) -> ZegFormer:
    """Build a ZegFormer from an official checkpoint's tensors, or from a `state_dict` of our own.

    Args:
        tensors: by official name (what stands under "model" in the file), or by ours, which takes `size` and no `heads`.
        size: a variant's size name that the checkpoint must be of. None: any size.
        clip: a file with OpenAI's CLIP, for checkpoints without one: a model saved in training, as the released ones are,
            has none. None means `clip-vit-b16-openai.safetensors` in the weights folder.
        heads: of the proposals' transformer decoder, which shapes cannot tell.
        choices: further keywords of `methods.zegformer.model.build`.

    Raises:
        CheckpointError: a tensor is missing, left over, of another size, or not finite; or there is no CLIP.
        UsageError: a keyword's value that there is not.
    """
    if "visual.conv1.weight" in tensors:
        return _own(tensors, size or "r101", choices)
    whole = _with_clip(tensors, clip)
    ignored = {name: reason for name, reason in _ignorable().items() if name in whole}
    names = {name: _renamed(name) for name in whole if name not in ignored}
    found = inferred(whole, heads)
    if size is not None:
        check_named(found, named_size(size), "zegformer", size)
    segmenter = build(found, **choices)
    conversion = assign(segmenter, {new: whole[old] for old, new in names.items()}, ignored)
    segmenter.conversion = replace(conversion, used=tuple(names))
    return segmenter


def _own(tensors: Mapping[str, Tensor], size: str, choices: Mapping[str, Any]) -> ZegFormer:
    segmenter = build(size, **choices)
    segmenter.conversion = assign(segmenter, tensors)
    return segmenter


def _with_clip(tensors: Mapping[str, Tensor], clip: str | Path | None) -> Mapping[str, Tensor]:
    """The checkpoint's tensors, and CLIP's by the names that the authors' evaluation model gives them."""
    inside = any(name.startswith(CLIP) for name in tensors)
    if inside and clip is not None:
        raise CheckpointError(f"clip={clip}: the checkpoint has a CLIP of its own; drop the keyword")
    if inside or not any(name.startswith(PREDICTOR) for name in tensors):
        return tensors  # of another method, if there is no predictor: what is missing will be named
    path = Path(clip) if clip is not None else folder() / CLIP_FILE
    if not path.is_file():
        raise CheckpointError(
            f"the checkpoint has no CLIP inside, as those saved in training, and {path} is not there: give clip=PATH, a file "
            "with OpenAI's CLIP ViT-B/16 as tensors (Hugging Face: timm/vit_base_patch16_clip_224.openai, file "
            f"open_clip_model.safetensors), or save it as {folder() / CLIP_FILE}"
        )
    return {**tensors, **{f"{CLIP}{name}": tensor for name, tensor in read_clip(path).items()}}


def inferred(tensors: Mapping[str, Tensor], heads: int = 8) -> ZegFormerSize:
    """Sizes from shapes, and `heads` of the transformer decoder.

    Raises:
        CheckpointError: a tensor that sizes are read from is missing.
    """
    return ZegFormerSize(clip_size(tensors, CLIP), resnet_size(tensors), proposal_size(tensors, heads))


def _ignorable() -> dict[str, str]:
    return {**IGNORED, **{f"{CLIP}{name}": reason for name, reason in CLIP_IGNORED.items()}}


def _renamed(name: str) -> str:
    for official, ours in RENAMED.items():
        if name.startswith(official):
            return ours + name[len(official) :]
    return name
