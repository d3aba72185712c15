"""From zsseg.baseline's detectron2 checkpoints to ours: renames; sizes are read from the tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.errors import CheckpointError
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from methods.parts.inferred_sizes import check_named, clip_size, proposal_size, resnet_size, shape
from methods.simseg.model import SimSeg, build
from methods.simseg.settings import LEARNABLE
from methods.simseg.sizes import SimSegSize, named_size

ADAPTER: Final = "clip_adapter."
REGION: Final = (
    "_region_clip_adapter."  # SEPERATE_ADAPTER: a second CLIP, prompt and no-object vector, for crops
)
HEAD: Final = "sem_seg_head."
LEARNER: Final = "prompt_learner."
# Official prefix -> ours, the first match counts. backbone. and sem_seg_head. stay.
RENAMED: Final = {
    f"{ADAPTER}clip_model.visual.": "visual.",
    f"{ADAPTER}clip_model.": "text.",
    f"{ADAPTER}{LEARNER}": "prompt.",
    f"{ADAPTER}non_object_embedding": "non_object_embedding",
    f"{REGION}{LEARNER}": "region_prompt.",
}
NEVER_USED: Final = {
    "criterion.empty_weight": "class weights of the training loss",
    f"{ADAPTER}clip_model.logit_scale": "SimSeg's temperature is a constant 100",
    f"{REGION}non_object_embedding": "the crop stream drops no-object before its softmax",
}
SAME_CLIP: Final = "equal, number for number, to clip_adapter's CLIP, which is used"
CLIP_COLOURS: Final = {"pixel_mean": CLIP_MEAN, "pixel_std": CLIP_STD}


def load(
    tensors: Mapping[str, Tensor],
    size: str | None = None,
    multi_grid: Sequence[int] | None = None,
    heads: int = 8,
    short_side: int = 512,
    longest_side: int = 2048,
    **choices: Any,
) -> SimSeg:
    """Build a SimSeg from an official checkpoint's tensors, or from a `state_dict` of our own.

    Args:
        tensors: by official name (what stands under "model" in the file), or by ours, which takes `size` and no keyword
            that describes an architecture.
        size: a variant's size name that the checkpoint must be of. None: any size.
        multi_grid: dilations of res5's blocks (RES5_MULTI_GRID); None: as published for the stem.
        heads: of the proposals' transformer decoder.
        short_side, longest_side: the input rule, pixels.
        choices: the fields of `Settings`. Not given, the file tells `separate_adapter`, `prompts` and `region_prompts`:
            learnable where it holds a learned prompt, else vild, as the released cross-dataset model.

    Raises:
        UsageError: an unknown keyword, or a value out of range.
        CheckpointError: a tensor is missing, left over, of another size, not finite, or not what it is ignored for.
    """
    if "visual.conv1.weight" in tensors:
        return _own(tensors, size or "r101c-vit-b16", short_side, longest_side, choices)
    settled = _settled(tensors, choices)
    ignored = _ignored(tensors, settled)
    names = {name: _renamed(name) for name in tensors if name not in ignored}
    found = inferred(tensors, multi_grid, heads)
    if size is not None:
        check_named(found, named_size(size), "simseg", size)
    segmenter = build(found, short_side, longest_side, **settled)
    conversion = assign(segmenter, {new: tensors[old] for old, new in names.items()}, ignored)
    segmenter.conversion = replace(conversion, used=tuple(names))
    return segmenter


def _own(
    tensors: Mapping[str, Tensor], size: str, short_side: int, longest_side: int, choices: Mapping[str, Any]
) -> SimSeg:
    segmenter = build(size, short_side, longest_side, **choices)
    segmenter.conversion = assign(segmenter, tensors)
    return segmenter


def inferred(
    tensors: Mapping[str, Tensor], multi_grid: Sequence[int] | None = None, heads: int = 8
) -> SimSegSize:
    """Sizes from shapes, and from keywords where shapes do not tell.

    Raises:
        CheckpointError: a tensor that sizes are read from is missing, or sizes do not fit together.
    """
    # Renamed, since the pixel decoder's names differ in files of version 1.
    named = {_current(name): tensor for name, tensor in tensors.items()}
    prefix = f"{ADAPTER}{LEARNER}" if _has_prompt(tensors, ADAPTER) else f"{REGION}{LEARNER}"
    vectors = f"{prefix}prefix_prompt"
    try:
        return SimSegSize(
            clip=clip_size(named, f"{ADAPTER}clip_model."),
            backbone=resnet_size(named, None if multi_grid is None else tuple(multi_grid)),
            proposals=proposal_size(named, heads),
            context_vectors=shape(named, vectors, 2)[0] if vectors in named else SimSegSize.context_vectors,
        )
    except ValueError as error:
        raise CheckpointError(f"its sizes do not fit together: {error}") from error


def _settled(tensors: Mapping[str, Tensor], choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices, completed by what the file holds.

    Raises:
        CheckpointError: they ask for what it does not hold.
    """
    separate = any(name.startswith(REGION) for name in tensors)
    told = {"separate_adapter": separate}
    settled: dict[str, Any] = {**told, "prompts": _kind(tensors, ADAPTER), **choices}
    if settled["separate_adapter"] != separate:
        found = "has" if separate else "has no"
        raise CheckpointError(
            f"it {found} crop adapter of its own ({REGION}*): give separate_adapter={separate}, "
            "or the checkpoint of another configuration"
        )
    _expect_prompt(tensors, ADAPTER, "prompts", settled)
    if separate:
        settled.setdefault("region_prompts", _kind(tensors, REGION))
        _expect_prompt(tensors, REGION, "region_prompts", settled)
    return settled


def _has_prompt(tensors: Mapping[str, Tensor], adapter: str) -> bool:
    return any(name.startswith(f"{adapter}{LEARNER}") for name in tensors)


def _kind(tensors: Mapping[str, Tensor], adapter: str) -> str:
    return LEARNABLE if _has_prompt(tensors, adapter) else "vild"


def _expect_prompt(
    tensors: Mapping[str, Tensor], adapter: str, keyword: str, settled: Mapping[str, Any]
) -> None:
    if settled[keyword] == LEARNABLE and not _has_prompt(tensors, adapter):
        raise CheckpointError(
            f"it holds no learned prompt ({adapter}{LEARNER}*) for {keyword}='{LEARNABLE}'; the released cross-dataset model is "
            f"simseg/r101c-vild, else give {keyword}='vild', 'imagenet' or 'single'"
        )


def _ignored(tensors: Mapping[str, Tensor], settled: Mapping[str, Any]) -> dict[str, str]:
    """Official name -> why it is not needed, each reason checked where it can be."""
    ignored = {name: reason for name, reason in NEVER_USED.items() if name in tensors}
    for adapter, keyword in ((ADAPTER, "prompts"), (REGION, "region_prompts")):
        ignored |= _colours(tensors, adapter)
        if settled.get(keyword) != LEARNABLE:
            prompt = [name for name in tensors if name.startswith(f"{adapter}{LEARNER}")]
            ignored |= dict.fromkeys(
                prompt, f"a learned prompt, where {keyword}={settled.get(keyword)!r} was asked for"
            )
    return ignored | _copies(tensors)


def _colours(tensors: Mapping[str, Tensor], adapter: str) -> dict[str, str]:
    """CLIP's mean and std, if they are that."""
    found = {}
    for name, expected in CLIP_COLOURS.items():
        tensor = tensors.get(f"{adapter}{name}")
        if tensor is None:
            continue
        if tensor.shape != (1, 3, 1, 1) or not torch.allclose(
            tensor.flatten().float(), torch.tensor(expected)
        ):
            raise CheckpointError(
                f"{adapter}{name} is {tensor.flatten().tolist()[:3]}: expected CLIP's {expected}; is it of another method?"
            )
        found[f"{adapter}{name}"] = "CLIP's mean and std, constants"
    return found


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The crop adapter's second CLIP, if it is the first one again: both are frozen copies of OpenAI's."""
    found = {}
    for name, tensor in tensors.items():
        if not name.startswith(f"{REGION}clip_model."):
            continue
        first = tensors.get(ADAPTER + name[len(REGION) :])
        if first is None or not torch.equal(first, tensor):
            raise CheckpointError(
                f"{name} differs from clip_adapter's: two different CLIPs in one model are not supported; no published "
                "configuration has them"
            )
        found[name] = SAME_CLIP
    return found


def _renamed(name: str) -> str:
    for official, ours in RENAMED.items():
        if name.startswith(official):
            return ours + name[len(official) :]
    return _current(name)


def _current(name: str) -> str:
    """MaskFormer's heads of version 1 had the pixel decoder's layers directly below `sem_seg_head.`."""
    inside = name.removeprefix(HEAD)
    if name.startswith(HEAD) and not inside.startswith(("pixel_decoder.", "predictor.")):
        return f"{HEAD}pixel_decoder.{inside}"
    return name
