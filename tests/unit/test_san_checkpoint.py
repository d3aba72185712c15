"""SAN's loader: every format, every tensor accounted for, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.errors import CheckpointError, UsageError
from methods.san import METHOD
from methods.san.checkpoint import load, settle, sizes_told_by
from methods.san.model import SAN, build
from methods.san.sizes import SanSize, plain

(TINY,) = (variant for variant in METHOD.variants if variant.embedded)
SHALLOW = TINY.config["shallow"]


@pytest.fixture(scope="module")
def source() -> SAN:
    torch.manual_seed(5)
    san: SAN = build(**TINY.config).eval()
    return san


@pytest.fixture
def official(source: SAN) -> dict[str, Tensor]:
    """The authors' names and shapes for a segmenter's own state, written out independently of the loader."""
    found = {official_of(name): shaped(name, tensor) for name, tensor in source.state_dict().items()}
    found["criterion.empty_weight"] = torch.ones(172)
    found["ov_classifier.attn_mask"] = torch.full((77, 77), float("-inf")).triu(1)
    return found


def official_of(name: str) -> str:
    top, _, rest = name.partition(".")
    if name in ("bg_embed", "logit_scale"):
        return f"ov_classifier.{name}"
    if top == "text":
        return f"ov_classifier.{rest}"
    if top == "decoder":
        return f"side_adapter_network.mask_decoder.{rest}"
    return official_side(rest) if top == "side" else official_clip(rest)


def official_side(rest: str) -> str:
    pieces = rest.split(".")
    if pieces[0] in ("query_embed", "query_pos_embed"):
        return f"side_adapter_network.{rest}"
    if pieces[0] == "fusion":
        place = {"norm": "0", "proj": "1"}[pieces[2]]
        return f"side_adapter_network.fusion_layers.layer_{pieces[1]}.input_proj.{place}.{pieces[3]}"
    if pieces[0] == "patch_embed":
        return f"side_adapter_network.vit_model.patch_embed.proj.{pieces[1]}"
    if pieces[0] == "blocks" and not pieces[2].startswith("norm"):
        pieces[2] = ("attn." if pieces[2] in ("qkv", "proj") else "mlp.") + pieces[2]
    return "side_adapter_network.vit_model." + ".".join(pieces)


def official_clip(rest: str) -> str:
    pieces = rest.split(".")
    if pieces[0] in ("ln_post", "proj"):
        return f"clip_rec_head.{rest}"
    if pieces[0] != "transformer":
        return f"clip_visual_extractor.{rest}"
    index = int(pieces[2])
    home, index = ("clip_visual_extractor", index) if index < SHALLOW else ("clip_rec_head", index - SHALLOW)
    return ".".join([home, "resblocks", str(index), *pieces[3:]])


def shaped(name: str, tensor: Tensor) -> Tensor:
    pointwise = ("pix_mlp" in name or "attn_mlp" in name or ".fusion." in name) and tensor.ndim == 2
    return tensor[:, :, None, None] if pointwise else tensor


def same_weights(one: SAN, other: SAN) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


KEYWORDS = {
    "side_heads": 4,
    "fusion": TINY.config["fusion"],
    "clip_resolution": 1.0,
    "short_side": 160,
    "longest_side": 320,
}


def test_official_names_come_back_bit_for_bit(source: SAN, official: dict[str, Tensor]) -> None:
    loaded = load(official, **KEYWORDS)
    assert same_weights(loaded, source)
    assert loaded.size == source.size


def test_every_tensor_is_used_or_ignored_with_a_reason(official: dict[str, Tensor]) -> None:
    conversion = load(official, **KEYWORDS).conversion
    assert conversion is not None
    assert set(conversion.used) | set(conversion.ignored) == set(official)
    assert set(conversion.ignored) == {"criterion.empty_weight", "ov_classifier.attn_mask"}
    assert all(conversion.ignored.values())


def test_our_own_names_load_too(source: SAN) -> None:
    loaded = load(source.state_dict(), **TINY.config)
    assert same_weights(loaded, source)
    assert loaded.size == source.size


def test_a_variants_whole_configuration_may_come_along(source: SAN, official: dict[str, Tensor]) -> None:
    """As `load_method("san/tiny", checkpoint=...)` calls it."""
    assert same_weights(load(official, **TINY.config), source)


def test_a_file_on_disk_with_detectron2s_wrapper(
    source: SAN, official: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "san.pth"
    torch.save({"model": official, "iteration": 59999}, path)
    assert same_weights(load(read_tensors(path), **KEYWORDS), source)


def test_half_precision_tensors_become_float32(official: dict[str, Tensor]) -> None:
    name = "ov_classifier.token_embedding.weight"
    loaded = load({**official, name: official[name].half()}, **KEYWORDS)
    assert loaded.text.token_embedding.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("layers", "shallow", "fusion"),
    [(12, 9, ((0, 0), (3, 1), (6, 2), (9, 3))), (24, 18, ((0, 0), (6, 1), (12, 2), (18, 3)))],
)
def test_defaults_are_the_released_ones(
    layers: int, shallow: int, fusion: tuple[tuple[int, int], ...]
) -> None:
    """What shapes cannot tell, for models of the released depth and little width."""
    name = {12: "vit-b16", 24: "vit-l14"}[layers]
    variant = METHOD.variant(name)
    assert variant is not None
    with torch.device("meta"):
        state = build(**variant.config).state_dict()
    size = settle(sizes_told_by(state), {}, fusions=4)
    assert (size.shallow, size.fusion) == (shallow, fusion)
    assert size == SanSize(**plain(variant.config))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"queries": 100}, ("queries is 48", "100")),
        ({"clip": "vit-b16"}, ("clip.embed_dim is 64", "512")),
        ({"shallow": 2}, ("shallow is 1", "2")),
        ({"side_width": 240}, ("side_width is 96", "240")),
        ({"fusion": ((0, 0),)}, ("number of fusion layers is 4", "1")),
        ({"side_heads": 7}, ("side_heads=7", "side_width=96")),
    ],
)
def test_a_size_against_the_shapes_is_refused(
    official: dict[str, Tensor], keywords: dict[str, object], words: tuple[str, ...]
) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(official, **keywords)
    assert all(word in str(caught.value) for word in words)


def test_an_unknown_keyword_is_a_usage_error(official: dict[str, Tensor]) -> None:
    with pytest.raises(UsageError, match="did you mean queries"):
        load(official, querys=12)


def test_another_methods_checkpoint_is_refused() -> None:
    foreign = {
        "backbone.conv1.weight": torch.zeros(3),
        "sem_seg_head.predictor.query_embed.weight": torch.zeros(2),
    }
    with pytest.raises(CheckpointError, match=r"no SAN.*2 tensors.*backbone\.conv1\.weight.*another method"):
        load(foreign)


def test_a_fragment_is_refused_by_name(official: dict[str, Tensor]) -> None:
    side_only = {
        name: tensor for name, tensor in official.items() if name.startswith("side_adapter_network.")
    }
    with pytest.raises(CheckpointError, match=r"lacks clip\.conv1\.weight"):
        load(side_only)


def test_without_deep_blocks_there_is_no_split(official: dict[str, Tensor]) -> None:
    cut = {
        name: tensor for name, tensor in official.items() if not name.startswith("clip_rec_head.resblocks.")
    }
    with pytest.raises(CheckpointError, match="shallow=1"):
        load(cut)


@pytest.mark.parametrize(
    "name",
    [
        "side_adapter_network.mask_decoder.bias_scaling.bias",
        "ov_classifier.bg_embed",
        "clip_rec_head.ln_post.weight",
    ],
)
def test_a_missing_tensor_is_refused(official: dict[str, Tensor], name: str) -> None:
    del official[name]
    with pytest.raises(CheckpointError, match=r"lacks .*another method or size"):
        load(official, **KEYWORDS)


@pytest.mark.parametrize(
    "name", ["ov_classifier.surprise", "side_adapter_network.mask_decoder.extra.weight", "ema.decay"]
)
def test_a_left_over_tensor_is_refused(official: dict[str, Tensor], name: str) -> None:
    with pytest.raises(CheckpointError, match="has unknown"):
        load({**official, name: torch.zeros(1)}, **KEYWORDS)


def test_a_tensor_of_another_size_is_refused(official: dict[str, Tensor]) -> None:
    name = "side_adapter_network.mask_decoder.attn_mlp.layers.2.bias"
    with pytest.raises(CheckpointError, match="is of another size"):
        load({**official, name: official[name][:-1]}, **KEYWORDS)


def test_a_tensor_of_another_number_of_axes_is_refused(official: dict[str, Tensor]) -> None:
    name = "side_adapter_network.vit_model.patch_embed.proj.weight"
    with pytest.raises(CheckpointError, match="number of axes"):
        load({**official, name: official[name].flatten(1)}, **KEYWORDS)


def test_nan_is_refused(official: dict[str, Tensor]) -> None:
    broken = official["side_adapter_network.query_embed"].clone()
    broken[0, 0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="NaN"):
        load({**official, "side_adapter_network.query_embed": broken}, **KEYWORDS)


def test_a_mixture_of_two_formats_is_refused(official: dict[str, Tensor]) -> None:
    mixed = {**official, "text_encoder.bg_embed": torch.zeros(1, 64)}
    with pytest.raises(CheckpointError, match=r"both ov_classifier\.bg_embed and text_encoder\.bg_embed"):
        load(mixed, **KEYWORDS)
