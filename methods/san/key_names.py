"""SAN's key formats and the way from each to ours: the authors' (detectron2), mmsegmentation's, our own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from benchbed.errors import CheckpointError

Rules = tuple[tuple[str, str], ...]

IGNORED: Final = {
    "criterion.empty_weight": "class weights of the training loss",
    "ov_classifier.attn_mask": "the causal mask, made anew",
    "text_encoder.attn_mask": "the causal mask, made anew",
}

# mmsegmentation's names to the authors' (the reverse of its tools/model_converters/san2mmseg.py).
_BLOCK: Final = r"\.(\d+)\."
_FROM_MMSEG: Final[Rules] = (
    (r"^image_encoder\.cls_token$", "clip_visual_extractor.class_embedding"),
    (r"^image_encoder\.pos_embed$", "clip_visual_extractor.positional_embedding"),
    (r"^image_encoder\.patch_embed\.projection\.", "clip_visual_extractor.conv1."),
    (r"^image_encoder\.ln_pre\.", "clip_visual_extractor.ln_pre."),
    (rf"^image_encoder\.layers{_BLOCK}", r"clip_visual_extractor.resblocks.\1."),
    (
        r"^decode_head\.side_adapter_network\.(pos_embed|encode_layers|patch_embed)",
        r"side_adapter_network.vit_model.\1",
    ),
    (
        rf"^decode_head\.side_adapter_network\.conv_clips{_BLOCK}",
        r"side_adapter_network.fusion_layers.layer_\1.input_proj.",
    ),
    (r"^decode_head\.side_adapter_network\.", "side_adapter_network."),
    (rf"^decode_head\.rec_with_attnbias\.layers{_BLOCK}", r"clip_rec_head.resblocks.\1."),
    (r"^decode_head\.rec_with_attnbias\.proj\.weight$", "clip_rec_head.proj"),
    (r"^decode_head\.rec_with_attnbias\.", "clip_rec_head."),
    (rf"^text_encoder\.transformer{_BLOCK}", r"ov_classifier.transformer.resblocks.\1."),
    (r"^text_encoder\.", "ov_classifier."),
)
_INSIDE_MMSEG_SIDE: Final[Rules] = (
    (rf"vit_model\.encode_layers{_BLOCK}", r"vit_model.blocks.\1."),
    (r"\.ln([12])\.", r".norm\1."),
    (r"\.attn\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"patch_embed\.projection\.", "patch_embed.proj."),
    (r"input_proj\.1\.conv\.", "input_proj.1."),
)
_INSIDE_MMSEG_CLIP: Final[Rules] = (
    (r"\.ln([12])\.", r".ln_\1."),
    (r"\.norms\.0\.", ".ln_1."),
    (r"\.norms\.1\.", ".ln_2."),
    (r"\.(attentions\.0|attn)\.attn\.", ".attn."),
    (r"\.ffns?(\.0)?\.layers\.0\.0\.", ".mlp.c_fc."),
    (r"\.ffns?(\.0)?\.layers\.1\.", ".mlp.c_proj."),
)
# The authors' names to ours.
_FROM_OFFICIAL: Final[Rules] = (
    (r"^side_adapter_network\.vit_model\.patch_embed\.proj\.", "side.patch_embed."),
    (r"^side_adapter_network\.vit_model\.(blocks\.\d+\.)(attn|mlp)\.", r"side.\1"),
    (r"^side_adapter_network\.vit_model\.", "side."),
    (r"^side_adapter_network\.fusion_layers\.layer_(\d+)\.input_proj\.0\.", r"side.fusion.\1.norm."),
    (r"^side_adapter_network\.fusion_layers\.layer_(\d+)\.input_proj\.1\.", r"side.fusion.\1.proj."),
    (r"^side_adapter_network\.mask_decoder\.", "decoder."),
    (r"^side_adapter_network\.", "side."),
    (r"^clip_visual_extractor\.resblocks\.", "clip.transformer.resblocks."),
    (r"^clip_visual_extractor\.", "clip."),
    (r"^clip_rec_head\.(ln_post|proj)", r"clip.\1"),
    (r"^ov_classifier\.(bg_embed|logit_scale)$", r"\1"),
    (r"^ov_classifier\.", "text."),
)
_DEEP_BLOCK: Final = re.compile(r"^clip_rec_head\.resblocks\.(\d+)\.")
_SHALLOW_BLOCK: Final = re.compile(r"^clip_visual_extractor\.resblocks\.(\d+)\.")
_POINTWISE: Final = re.compile(r"(pix_mlp|attn_mlp)\.layers\.\d+\.weight$|fusion\.\d+\.proj\.weight$")


def official_name(name: str) -> str:
    """The authors' name for one of mmsegmentation's; any other name comes back as it is."""
    renamed, known = _first(name, _FROM_MMSEG)
    if not known:
        return name
    inside = _INSIDE_MMSEG_SIDE if renamed.startswith("side_adapter_network.") else _INSIDE_MMSEG_CLIP
    for pattern, replacement in inside:
        renamed = re.sub(pattern, replacement, renamed)
    return renamed


def our_name(official: str, shallow: int) -> str:
    """Our name for one of the authors'; CLIP's deep blocks count on from its `shallow` first ones."""
    deep = _DEEP_BLOCK.match(official)
    if deep:
        return f"clip.transformer.resblocks.{int(deep[1]) + shallow}.{official[deep.end() :]}"
    return _first(official, _FROM_OFFICIAL)[0]


def _first(name: str, rules: Rules) -> tuple[str, bool]:
    """The name under the first rule that fits, and whether one did."""
    for pattern, replacement in rules:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed, True
    return name, False


def to_ours(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str], int | None]:
    """Rename and reshape a whole checkpoint; what no rule knows keeps its name.

    Returns:
        our tensors; the file's name of each; the count of shallow blocks, None in our own format, which does
        not part CLIP.

    Raises:
        CheckpointError: no SAN of any format, or two tensors for one place.
    """
    formats = {"decode_head.side_adapter_network.": True, "side_adapter_network.": True, "side.": False}
    parted = next(
        (parts for start, parts in formats.items() if any(name.startswith(start) for name in tensors)), None
    )
    if parted is None:
        raise CheckpointError(
            f"no SAN: none of its {len(tensors)} tensors is named side_adapter_network.* "
            f"or decode_head.side_adapter_network.* (the first is {next(iter(tensors), 'none')}); "
            "is it of another method?"
        )
    kept = {name: official_name(name) for name in tensors if name not in IGNORED}
    indices = {int(found[1]) for name in kept.values() if (found := _SHALLOW_BLOCK.match(name))}
    ours: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for name, official in kept.items():
        target = our_name(official, len(indices))
        if target in ours:
            raise CheckpointError(
                f"both {sources[target]} and {name} are meant for {target}; is it a mixture of two formats?"
            )
        ours[target], sources[target] = _reshaped(name, target, tensors[name]), name
    return ours, sources, len(indices) if parted else None


def _reshaped(name: str, target: str, tensor: Tensor) -> Tensor:
    """Undo mmsegmentation's three changes of shape; make 1x1 convolutions the linear layers that they are."""
    if name == "decode_head.rec_with_attnbias.proj.weight":
        return tensor.T
    if name == "image_encoder.cls_token":
        return tensor.flatten()
    if name == "image_encoder.pos_embed":
        return tensor.flatten(0, 1)
    if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) and _POINTWISE.search(target):
        return tensor.flatten(1)
    return tensor
