"""SAN against numbers made by the official code (shared/golden/SAN): every stored array, and both key formats."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from golden import (
    Case,
    cases,
    check_arrays,
    check_class_maps,
    check_conversion,
    check_same_weights,
    needs_golden,
)
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed.images import ImageBatch
from benchbed.scores import full_scores
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import VILD_TEMPLATES
from methods.san.checkpoint import load
from methods.san.model import SAN
from methods.san.recognition import steering

CASES = cases("SAN")
pytestmark = needs_golden("SAN")


class SanCase(Case):
    method = "SAN"

    @property
    def keywords(self) -> dict[str, Any]:
        """All sizes, those that shapes tell as well: the loader must find them in agreement."""
        side, clip = self.config["side_adapter"], self.config["clip"]
        assert (
            side["attn_bias"]["num_heads"] == clip["vision_cfg"]["width"] // clip["vision_cfg"]["head_width"]
        )
        return {
            "shallow": self.config["feature_last_layer_idx"],
            "clip_resolution": self.config["clip_resolution"],
            "side_width": side["embed_dim"],
            "side_layers": side["depth"],
            "side_heads": side["num_heads"],
            "side_patch": side["patch_size"],
            "side_image": side["image_size"],
            "queries": side["num_queries"],
            "fusion": [[int(n) for n in pair.split("->")] for pair in side["fusion_map_clip_to_side"]],
            "mask_width": side["attn_bias"]["embed_channels"],
            "mask_hidden": side["attn_bias"]["mlp_channels"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }

    def original(self, index: int) -> list[tuple[int, int]] | None:
        height, width = self.inputs[f"image{index}"].shape[:2]
        return [(height, width)] if index in self.config["no_resize"] else None


@cache
def segmenter(name: str) -> SAN:
    return cast(SAN, SanCase.read(name).load())


def everything(san: SAN, given: SanCase) -> dict[str, Tensor]:
    """Our value for every array that an `expected.npz` may hold, by its name there."""
    text = san.encode_vocabulary(given.vocabulary)
    with_background = torch.nn.functional.normalize(torch.cat([text.embeddings, san.bg_embed]), dim=-1)
    found = {"text_embeddings": text.embeddings, "text_embeddings_with_bg": with_background}
    for index in range(given.images):
        batch = given.batch(san, index)
        found |= shallow_part(san, batch, index) | deep_part(san, batch, text, index)
    return found


def shallow_part(san: SAN, batch: ImageBatch, index: int) -> dict[str, Tensor]:
    clip_input = san.clip_input(batch.tensor)
    seen = san.see(clip_input)
    grid = seen.grid
    queries, patches, side_grid = san.side(batch.tensor, seen.states, grid)
    found = {
        f"side_input{index}": batch.tensor,
        f"clip_input{index}": clip_input,
        f"side_query{index}": queries,
        f"side_pixel{index}": patches.transpose(1, 2).unflatten(2, side_grid),
    }
    for block, state in seen.states.items():
        found[f"clip_feature_{block}_img{index}"] = state[:, 1:].transpose(1, 2).unflatten(2, grid)
        found[f"clip_feature_{block}_cls_token_img{index}"] = state[:, :1].transpose(0, 1)
    return found


def deep_part(san: SAN, batch: ImageBatch, text: TextFeatures, index: int) -> dict[str, Tensor]:
    proposals, seen = san.propose(batch.tensor)
    embeddings = san.name(proposals, seen)
    return {
        f"mask_logits_lowres{index}": proposals.masks,
        f"attn_bias_raw{index}": proposals.bias,
        f"attn_bias_full_layer0_{index}": official_mask(steering(proposals.bias, seen.grid)),
        f"mask_embeddings{index}": embeddings,
        f"class_logits{index}": san.classify(embeddings, text),
        f"sem_seg{index}": full_scores(san.segment(batch, text), 0),
    }


def official_mask(steered: Tensor) -> Tensor:
    """The official code's mask over [mask tokens; CLS; patches], which is not written out here, around our part of it."""
    count, patches = steered.shape[2:]
    mask = torch.zeros(steered.shape[0] * steered.shape[1], count + 1 + patches, count + 1 + patches)
    mask[:, :, :count] = -100
    mask[:, :count, :count] = -100 * (1 - torch.eye(count))
    mask[:, :count, count] = -100
    mask[:, :count, count + 1 :] = steered.flatten(0, 1)
    return mask


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = SanCase.read(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    check_arrays(given, found, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    san, given = segmenter(name), SanCase.read(name)
    with torch.no_grad():
        check_class_maps(given, san, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_the_templates_are_the_cases(name: str) -> None:
    assert tuple(SanCase.read(name).config["templates"]) == VILD_TEMPLATES


@pytest.mark.parametrize("name", CASES)
def test_parameter_counts_are_the_cases(name: str) -> None:
    san, config = segmenter(name), SanCase.read(name).config
    assert sum(p.numel() for p in san.parameters()) == config["params_total"]
    assert sum(p.numel() for p in san.parameters() if p.requires_grad) == config["params_trainable"]


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    check_conversion(
        SanCase.read(name), segmenter(name).conversion, {"criterion.empty_weight", "ov_classifier.attn_mask"}
    )


# The mmsegmentation format, written from the table in shared/reference/methods/san.md, 2.2.

CLIP_INSIDE = {
    "mlp.c_fc": "ffn.layers.0.0",
    "mlp.c_proj": "ffn.layers.1",
    "attn": "attn.attn",
    "ln_1": "ln1",
    "ln_2": "ln2",
}
LATE_INSIDE = {
    "mlp.c_fc": "ffns.0.layers.0.0",
    "mlp.c_proj": "ffns.0.layers.1",
    "attn": "attentions.0.attn",
    "ln_1": "norms.0",
    "ln_2": "norms.1",
}
SIDE_INSIDE = {
    "norm1.": "ln1.",
    "norm2.": "ln2.",
    "attn.qkv.": "attn.attn.in_proj_",
    "attn.proj.": "attn.attn.out_proj.",
    "mlp.fc1.": "ffn.layers.0.0.",
    "mlp.fc2.": "ffn.layers.1.",
}


def inside(rest: str, table: dict[str, str]) -> str:
    start = next(key for key in table if rest.startswith(key))
    return table[start] + rest[len(start) :]


def mmseg_side(rest: str) -> str:
    if rest.startswith("vit_model.blocks."):
        _, _, index, tail = rest.split(".", 3)
        return f"encode_layers.{index}.{inside(tail, SIDE_INSIDE)}"
    if found := re.match(r"fusion_layers\.layer_(\d+)\.input_proj\.([01])\.(.*)", rest):
        return f"conv_clips.{found[1]}.{'0' if found[2] == '0' else '1.conv'}.{found[3]}"
    return rest.removeprefix("vit_model.").replace("patch_embed.proj.", "patch_embed.projection.")


def mmseg_name(name: str) -> str:
    top, _, rest = name.partition(".")
    if top == "side_adapter_network":
        return f"decode_head.side_adapter_network.{mmseg_side(rest)}"
    if top == "criterion":
        return name
    block = re.match(r"(transformer\.)?resblocks\.(\d+)\.(.*)", rest)
    if top == "clip_visual_extractor":
        renamed = {
            "class_embedding": "cls_token",
            "positional_embedding": "pos_embed",
            "conv1.weight": "patch_embed.projection.weight",
        }
        return (
            f"image_encoder.layers.{block[2]}.{inside(block[3], CLIP_INSIDE)}"
            if block
            else f"image_encoder.{renamed.get(rest, rest)}"
        )
    home, layers = (
        ("decode_head.rec_with_attnbias", "layers")
        if top == "clip_rec_head"
        else ("text_encoder", "transformer")
    )
    if block:
        return f"{home}.{layers}.{block[2]}.{inside(block[3], LATE_INSIDE)}"
    return f"{home}.proj.weight" if rest == "proj" else f"{home}.{rest}"


def to_mmseg(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    converted = {mmseg_name(name): tensor for name, tensor in tensors.items()}
    for name, change in RESHAPED.items():
        converted[name] = change(converted[name])
    return converted


RESHAPED: dict[str, Callable[[Tensor], Tensor]] = {
    "image_encoder.cls_token": lambda tensor: tensor[None, None],
    "image_encoder.pos_embed": lambda tensor: tensor[None],
    "decode_head.rec_with_attnbias.proj.weight": lambda tensor: tensor.T.contiguous(),
}


@pytest.mark.parametrize("name", CASES)
def test_mmsegmentations_format_loads_to_the_same_segmenter(name: str) -> None:
    tensors = SanCase.read(name).tensors
    converted = to_mmseg(tensors)
    assert len(converted) == len(tensors)
    san = load(converted, **SanCase.read(name).keywords).eval()
    check_same_weights(segmenter(name), san)
    assert san.conversion is not None
    assert set(san.conversion.ignored) == {"criterion.empty_weight", "text_encoder.attn_mask"}
    assert set(san.conversion.used) | set(san.conversion.ignored) == set(converted)
    text = TextFeatures(torch.from_numpy(SanCase.read(name).expected["text_embeddings"]))
    with torch.no_grad():
        batch = SanCase.read(name).batch(san, 0)
        assert torch.equal(
            full_scores(san.segment(batch, text), 0), full_scores(segmenter(name).segment(batch, text), 0)
        )


@pytest.mark.parametrize("name", CASES)
def test_mmsegmentations_format_without_the_two_extras_loads(name: str) -> None:
    """A model saved by mmsegmentation itself has neither."""
    converted = to_mmseg(SanCase.read(name).tensors)
    del converted["criterion.empty_weight"], converted["text_encoder.attn_mask"]
    conversion = load(converted, **SanCase.read(name).keywords).conversion
    assert conversion is not None
    assert not conversion.ignored


def test_our_table_is_what_mmsegmentations_own_converter_does() -> None:
    import mmseg

    script = Path(mmseg.__file__).parent / ".mim" / "tools" / "model_converters" / "san2mmseg.py"
    if not script.is_file():
        pytest.skip(f"this mmsegmentation ships no {script.name}")
    spec = importlib.util.spec_from_file_location("san2mmseg", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tensors = SanCase.read(CASES[0]).tensors
    theirs, ours = module.convert_tensor(module.convert_key_name(tensors)), to_mmseg(tensors)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[key], ours[key]) for key in ours)
