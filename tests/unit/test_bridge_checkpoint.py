"""The bridge's loader: our own names alone, sizes from shapes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchbed.checkpoints import load_official
from benchbed.errors import CheckpointError, UsageError
from methods.bridge import METHOD
from methods.bridge.checkpoint import load
from methods.bridge.model import Bridge, build
from methods.bridge.sizes import BridgeSize

TINY = METHOD.variant("tiny")
assert TINY is not None
CONFIG: dict[str, Any] = dict(TINY.config)


@pytest.fixture(scope="module")
def source() -> Bridge:
    torch.manual_seed(2)
    return build(**CONFIG)


@pytest.fixture
def tensors(source: Bridge) -> dict[str, Tensor]:
    return dict(source.state_dict())


def same_weights(one: Bridge, other: Bridge) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_our_own_names_come_back_bit_for_bit(source: Bridge, tensors: dict[str, Tensor]) -> None:
    loaded = load(tensors, **CONFIG)
    assert same_weights(loaded, source)
    assert loaded.size == source.size
    assert loaded.conversion is not None
    assert set(loaded.conversion.used) == set(tensors)
    assert not loaded.conversion.ignored


def test_a_file_through_its_variant_and_not_through_another(source: Bridge, tmp_path: Path) -> None:
    save_file(source.state_dict(), tmp_path / "bridge.safetensors")
    loaded = load_official(METHOD, METHOD.variants[0], tmp_path / "bridge.safetensors", CONFIG)
    assert isinstance(loaded, Bridge)
    assert same_weights(loaded, source)
    with pytest.raises(CheckpointError, match="layers is 2 by the checkpoint's shapes, but 0 was asked for"):
        load_official(METHOD, METHOD.variants[0], tmp_path / "bridge.safetensors", {**CONFIG, "layers": 0})
    with pytest.raises(CheckpointError, match="backbone is mobilenetv2-half by the checkpoint's shapes"):
        load_official(
            METHOD, METHOD.variants[0], tmp_path / "bridge.safetensors", {"backbone": "mobilenetv2"}
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 0},
        {"layers": 1, "null_token": True, "expansion": 3},
        {"layers": 1, "visual_to_text": False, "convolutions": False},
        {"layers": 1, "text_to_visual": False, "class_self_attention": False},
        {"layers": 3, "tokens": False},
        {"backbone": "mobilenetv2", "stages": (2, 4), "width": 32},
        {"backbone": "efficientformer-l1", "stages": (4,), "width": 32},
        {"backbone": "xception", "stages": (3, 4), "width": 32},
    ],
)
def test_shapes_tell_everything_that_shapes_can(changes: dict[str, Any]) -> None:
    config = {"backbone": "mobilenetv2-half", "stages": (3, 4), "width": 16, "text": "tiny", **changes}
    made = build(**config)
    assert load(made.state_dict()).size == made.size


def test_stages_of_equal_channels_need_a_word(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"say stages=\(1, 3, 4\) or stages=\(2, 3, 4\)"):
        load(tensors)
    assert load(tensors, stages=(2, 3, 4)).size.stages == (2, 3, 4)
    assert load(tensors, stages=(1, 3, 4)).size.stages == (1, 3, 4)
    with pytest.raises(CheckpointError, match=r"stages is .* by the checkpoint's shapes"):
        load(tensors, stages=(3, 4))


def test_what_shapes_do_not_tell_is_the_designs(tensors: dict[str, Tensor]) -> None:
    size = load(tensors, stages=(2, 3, 4)).size
    default = BridgeSize()
    assert (size.heads, size.upsample, size.short_side) == (
        default.heads,
        default.upsample,
        default.short_side,
    )


def test_a_missing_tensor(tensors: dict[str, Tensor]) -> None:
    del tensors["layers.1.text.qkv.bias"]
    with pytest.raises(CheckpointError, match=r"lacks layers\.1\.text\.qkv\.bias"):
        load(tensors, **CONFIG)
    del tensors["text.text_projection"]
    with pytest.raises(
        CheckpointError, match=r"lacks text\.text_projection; expected tensors of benchbed's own"
    ):
        load(tensors, **CONFIG)


def test_a_tensor_left_over(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"has unknown decode_head\.weight"):
        load({**tensors, "decode_head.weight": torch.zeros(3)}, **CONFIG)


def test_another_method(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"lacks reduce\.0\.0\.weight; .*no official weights exist"):
        load({"visual.conv1.weight": torch.zeros(8, 3, 4, 4)})
    foreign = {name: tensor for name, tensor in tensors.items() if not name.startswith("backbone.conv1")}
    with pytest.raises(CheckpointError, match="no stem of mobilenetv2"):
        load(foreign, **CONFIG)
    with pytest.raises(CheckpointError, match="unexpected number of axes"):
        load({**tensors, "reduce.0.0.weight": torch.zeros(())}, **CONFIG)
    with pytest.raises(CheckpointError, match="no stages of mobilenetv2-half have"):
        load({**tensors, "reduce.0.0.weight": torch.zeros(64, 5, 1, 1)}, **CONFIG)


def test_another_size_and_not_a_number(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="is of another size"):
        load({**tensors, "embed.bias": torch.ones(5)}, **CONFIG)
    with pytest.raises(CheckpointError, match="NaN or Inf"):
        load({**tensors, "embed.bias": torch.full((64,), float("nan"))}, **CONFIG)


def test_an_unknown_keyword(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UsageError, match="no keyword 'depth'"):
        load(tensors, depth=3)
