"""From a SAN checkpoint of any of its key formats to a segmenter; sizes come from the tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_sizes import ClipSize
from benchbed.errors import CheckpointError, UsageError
from methods.san.key_names import IGNORED, to_ours
from methods.san.model import SAN
from methods.san.sizes import SanSize, plain

# CLIP_RESOLUTION by CLIP's patch in the two released configurations; shapes do not tell it.
RELEASED_RESOLUTION: Final = {16: 0.5, 14: 0.7}
# Both released models split CLIP at three quarters; told by the keys of all formats but our own.
_SHALLOW_SHARE: Final = 0.75


def load(tensors: Mapping[str, Tensor], **overrides: Any) -> SAN:
    """Build a SAN from the authors', mmsegmentation's or our own tensors.

    Args:
        tensors: by their names in the file.
        overrides: `SanSize`'s fields. What shapes cannot tell: `side_heads` (6), `fusion` (shallow blocks
            evenly spread over the side network's first ones), `clip_resolution` (0.5; 0.7 for patches of
            14 pixels), `short_side` (640), `longest_side` (2560). CLIP's heads are width / 64.

    Returns:
        The segmenter; its `conversion` names every tensor used, and those ignored with the reason.

    Raises:
        UsageError: an unknown keyword.
        CheckpointError: of another method or size, a tensor missing or left over, or a size asked for that is
            not the checkpoint's.
    """
    given = plain(overrides)
    ours, sources, shallow = to_ours(tensors)
    told = sizes_told_by(ours)
    if shallow is not None:
        told["shallow"] = shallow
    segmenter = SAN(settle(told, given, fusions=_count(ours, "side.fusion.")))
    ignored = {name: reason for name, reason in IGNORED.items() if name in tensors}
    conversion = assign(segmenter, ours, ignored)
    segmenter.conversion = replace(conversion, used=tuple(sources[name] for name in conversion.used))
    return segmenter


def sizes_told_by(ours: Mapping[str, Tensor]) -> dict[str, Any]:
    """Every field of `SanSize` that shapes tell, from tensors by our names.

    Raises:
        CheckpointError: a tensor that every SAN has is missing.
    """
    try:
        side_width, _, side_patch, _ = ours["side.patch_embed.weight"].shape
        return {
            "clip": _clip_of(ours),
            "side_width": side_width,
            "side_patch": side_patch,
            "side_image": round(ours["side.pos_embed"].shape[1] ** 0.5) * side_patch,
            "side_layers": _count(ours, "side.blocks."),
            "queries": ours["side.query_embed"].shape[1],
            "mask_width": ours["decoder.query_mlp.layers.2.weight"].shape[0],
            "mask_hidden": ours["decoder.query_mlp.layers.0.weight"].shape[0],
        }
    except KeyError as error:
        raise CheckpointError(
            f"the checkpoint lacks {error.args[0]}; is it of another method, or a training fragment?"
        ) from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(
            f"a tensor has an unexpected number of axes ({error}); is it of another method?"
        ) from error


def _clip_of(ours: Mapping[str, Tensor]) -> ClipSize:
    width, _, patch, _ = ours["clip.conv1.weight"].shape
    side = round((ours["clip.positional_embedding"].shape[0] - 1) ** 0.5)
    words, text_width = ours["text.token_embedding.weight"].shape
    return ClipSize(
        embed_dim=ours["clip.proj"].shape[1],
        image_size=side * patch,
        patch=patch,
        width=width,
        layers=_count(ours, "clip.transformer.resblocks."),
        text_width=text_width,
        text_layers=_count(ours, "text.transformer.resblocks."),
        context=ours["text.positional_embedding"].shape[0],
        words=words,
    )


def _count(ours: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in ours if name.startswith(prefix)})


def settle(told: Mapping[str, Any], given: Mapping[str, Any], fusions: int) -> SanSize:
    """Sizes from shapes first, then keywords, then defaults.

    Args:
        told: fields that shapes tell.
        given: keywords, by `plain`.
        fusions: fusion layers in the checkpoint.

    Raises:
        CheckpointError: a keyword against the shapes, or sizes that do not fit together.
    """
    for name in sorted(set(told) & set(given)):
        _agree(name, told[name], given[name])
    known = {**told, **given}
    clip: ClipSize = known["clip"]
    known.setdefault("shallow", int(clip.layers * _SHALLOW_SHARE))
    known.setdefault("clip_resolution", RELEASED_RESOLUTION.get(clip.patch, 0.5))
    known.setdefault("fusion", _even_fusion(known["shallow"], fusions))
    _agree("the number of fusion layers", fusions, len(known["fusion"]))
    try:
        return SanSize(**known)
    except UsageError as error:
        raise CheckpointError(f"its sizes and the keywords do not fit together: {error}") from error


def _agree(name: str, told: Any, given: Any) -> None:
    if isinstance(told, ClipSize) and isinstance(given, ClipSize):
        for field in fields(ClipSize):
            _agree(f"{name}.{field.name}", getattr(told, field.name), getattr(given, field.name))
    if told != given:
        raise CheckpointError(
            f"{name} is {told} by the checkpoint's shapes, but {given} was asked for; is it of another "
            "variant? Drop the keyword or name the variant that fits"
        )


def _even_fusion(shallow: int, fusions: int) -> tuple[tuple[int, int], ...]:
    """The released maps: for nine shallow blocks and four fusion layers 0, 3, 6, 9 go to 0, 1, 2, 3."""
    step = shallow / max(1, fusions - 1)
    return tuple((round(step * index), index) for index in range(fusions))
