"""From a checkpoint of ours to a segmenter; sizes come from the tensors' shapes. The authors published no code and no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_sizes import CLIP_SIZES, ClipSize
from benchbed.errors import CheckpointError
from methods.bridge.model import Bridge
from methods.bridge.sizes import CHANNELS, BridgeSize, plain

# A tensor that only this backbone has -> its channels -> the backbone.
_STEMS: Final = {
    "backbone.conv1.conv.weight": {32: "mobilenetv2", 16: "mobilenetv2-half"},
    "backbone.net.stem.conv1.weight": {24: "efficientformer-l1"},
    "backbone.net.stem.0.conv.weight": {32: "xception"},
}
_FOREIGN: Final = (
    "expected tensors of benchbed's own bridge (`backbone.`, `reduce.`, `layers.`, `embed.`, `text.`); "
    "no official weights exist"
)


def load(tensors: Mapping[str, Tensor], **overrides: Any) -> Bridge:
    """Build a bridge segmenter from our own tensors.

    Args:
        tensors: by our names.
        overrides: `BridgeSize`'s fields. What shapes cannot tell: `heads`, `upsample`, `templates`, `short_side`,
            `longest_side`, and `stages` where two stages have equal channels.

    Returns:
        The segmenter; its `conversion` names every tensor used: all of them.

    Raises:
        UsageError: an unknown keyword.
        CheckpointError: of another method or size, a tensor missing or left over, or a size asked for that is not the
            checkpoint's.
    """
    given = plain(overrides)
    told = sizes_told_by(tensors)
    _expect_agreement(told, given)
    told["stages"] = _stages(tensors, told["backbone"], given.get("stages"))
    _expect_agreement(told, given)
    segmenter = Bridge(BridgeSize(**{**told, **given}))
    segmenter.conversion = assign(segmenter, tensors)
    return segmenter


def sizes_told_by(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Every field of `BridgeSize` but `stages` that shapes tell.

    Raises:
        CheckpointError: a tensor that every bridge segmenter has is missing.
    """
    try:
        width = tensors["reduce.0.0.weight"].shape[0]
        layers = _count(tensors, "layers.")
        told = {
            "backbone": _backbone(tensors),
            "width": width,
            "layers": layers,
            "text": _text_of(tensors),
        }
    except KeyError as error:
        raise CheckpointError(f"the checkpoint lacks {error.args[0]}; {_FOREIGN}") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"a tensor has an unexpected number of axes ({error}); {_FOREIGN}") from error
    return {**told, **(_branches(tensors, width) if layers else {})}


def _expect_agreement(told: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name in sorted(set(told) & set(given)):
        if told[name] != given[name]:
            raise CheckpointError(
                f"{name} is {told[name]} by the checkpoint's shapes, but {given[name]} was asked for; "
                "is it of another variant? Drop the keyword, or name the variant that fits"
            )


def _backbone(tensors: Mapping[str, Tensor]) -> str:
    for name, widths in _STEMS.items():
        if name in tensors and tensors[name].shape[0] in widths:
            return widths[tensors[name].shape[0]]
    raise CheckpointError(f"the checkpoint has no stem of {', '.join(CHANNELS)}; {_FOREIGN}")


def _branches(tensors: Mapping[str, Tensor], width: int) -> dict[str, Any]:
    """Which parts each layer has, and how wide they are."""
    told: dict[str, Any] = {
        name: any(key.startswith(f"layers.0.{part}.") for key in tensors)
        for name, part in (
            ("visual_to_text", "visual_to_text"),
            ("text_to_visual", "text_to_visual"),
            ("convolutions", "visual"),
            ("tokens", "text"),
        )
    }
    told["null_token"] = "layers.0.text_to_visual.null" in tensors
    if told["tokens"]:
        told["class_self_attention"] = "layers.0.text.qkv.weight" in tensors
    for name in ("layers.0.visual.0.weight", "layers.0.text.mlp.0.weight"):
        if name in tensors:
            told["expansion"] = tensors[name].shape[0] // width
    return told


def _stages(tensors: Mapping[str, Tensor], backbone: str, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Which stages enter, by the channels that each reduction takes; `asked` settles a tie."""
    count = _count(tensors, "reduce.")
    taken = tuple(tensors[f"reduce.{index}.0.weight"].shape[1] for index in range(count))
    fitting = [
        stages
        for stages in combinations((1, 2, 3, 4), count)
        if tuple(CHANNELS[backbone][stage - 1] for stage in stages) == taken
    ]
    if not fitting:
        raise CheckpointError(
            f"no stages of {backbone} have {taken} channels, as its reductions take; {_FOREIGN}"
        )
    if asked in fitting:
        return asked  # type: ignore[return-value]
    if len(fitting) > 1 and asked is None:
        raise CheckpointError(
            f"shapes do not tell which stages enter: say stages={' or stages='.join(map(str, fitting))}"
        )
    return fitting[0]


def _text_of(tensors: Mapping[str, Tensor]) -> ClipSize:
    """The text tower's sizes; those of the image tower, which there is none of, are of any CLIP with the same text tower."""
    words, text_width = tensors["text.token_embedding.weight"].shape
    text = {
        "embed_dim": tensors["text.text_projection"].shape[1],
        "text_width": text_width,
        "text_layers": _count(tensors, "text.transformer.resblocks."),
        "context": tensors["text.positional_embedding"].shape[0],
        "words": words,
    }
    return next(
        (size for size in CLIP_SIZES.values() if replace(size, **text) == size),
        replace(CLIP_SIZES["vit-b16"], **text),
    )


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})
