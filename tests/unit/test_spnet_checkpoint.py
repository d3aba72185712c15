"""SPNet's loader: our own names, what it refuses, and what it says. The official names are in tests/parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchbed.checkpoints import load_official
from benchbed.errors import CheckpointError, UsageError
from methods.spnet import METHOD
from methods.spnet.checkpoint import load
from methods.spnet.model import SPNet, build
from methods.spnet.sizes import SpnetSize, plain

TINY = METHOD.variant("tiny")
assert TINY is not None
CONFIG: dict[str, Any] = dict(TINY.config)


@pytest.fixture(scope="module")
def source() -> SPNet:
    torch.manual_seed(2)
    return build(**CONFIG)


@pytest.fixture
def tensors(source: SPNet) -> dict[str, Tensor]:
    return dict(source.state_dict())


def same_weights(one: SPNet, other: SPNet) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_our_own_names_come_back_bit_for_bit(source: SPNet, tensors: dict[str, Tensor]) -> None:
    loaded = load(tensors, **CONFIG)
    assert same_weights(loaded, source)
    assert loaded.size == source.size
    assert loaded.conversion is not None
    assert set(loaded.conversion.used) == set(tensors)
    assert not loaded.conversion.ignored


def test_a_file_through_the_variant(source: SPNet, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "spnet.safetensors")
    loaded = load_official(METHOD, METHOD.variants[0], tmp_path / "spnet.safetensors", CONFIG)
    assert isinstance(loaded, SPNet)
    assert same_weights(loaded, source)
    with pytest.raises(
        CheckpointError, match="depth is 18 by the checkpoint's shapes, but 101 was asked for"
    ):
        load_official(METHOD, METHOD.variants[0], tmp_path / "spnet.safetensors", {"depth": 101})


def test_what_shapes_do_not_tell_is_as_published(tensors: dict[str, Tensor]) -> None:
    size = load(tensors).size
    assert size == SpnetSize(**plain({"depth": 18, "width": 16, "text": "tiny"}))


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_depth_and_width_are_read_from_the_tensors(depth: int) -> None:
    small = build(depth=depth, width=4, text="tiny", rates=(1,))
    size = load(small.state_dict(), rates=(1,)).size
    assert (size.depth, size.width) == (depth, 4)


def test_a_missing_tensor(tensors: dict[str, Tensor]) -> None:
    del tensors["aspp.branches.2.bias"]
    with pytest.raises(CheckpointError, match=r"lacks aspp\.branches\.2\.bias"):
        load(tensors, **CONFIG)
    del tensors["aspp.branches.0.weight"]
    with pytest.raises(CheckpointError, match=r"lacks aspp\.branches\.0\.weight; is it of another method"):
        load(tensors, **CONFIG)


def test_a_tensor_left_over(tensors: dict[str, Tensor]) -> None:
    tensors["backbone.fc.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"has unknown backbone\.fc\.weight"):
        load(tensors, **CONFIG)


def test_another_method(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"lacks backbone\.conv1\.weight"):
        load({"side.pos_embed": torch.zeros(1, 4, 8)})
    tensors["backbone.conv1.weight"] = torch.zeros(())
    with pytest.raises(CheckpointError, match="unexpected number of axes"):
        load(tensors)


def test_an_unknown_depth(tensors: dict[str, Tensor]) -> None:
    cut = {name: tensor for name, tensor in tensors.items() if "backbone.layer3.1." not in name}
    with pytest.raises(CheckpointError, match="1 blocks of 2 convolutions; expected one of 2 of 2"):
        load(cut)


def test_another_size_and_not_a_number(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="is of another size"):
        load({**tensors, "backbone.bn1.weight": torch.ones(5)}, **CONFIG)
    with pytest.raises(CheckpointError, match="NaN or Inf"):
        load({**tensors, "backbone.bn1.weight": torch.full((16,), float("nan"))}, **CONFIG)


def test_no_class_vectors_anywhere(tensors: dict[str, Tensor]) -> None:
    bare = {name: tensor for name, tensor in tensors.items() if not name.startswith("text.")}
    with pytest.raises(
        CheckpointError, match=r"no text tower.*give them as embeddings= \(class name -> 64 numbers"
    ):
        load(bare, **CONFIG)
    with pytest.raises(CheckpointError, match="embeddings have 64 numbers, the given class vectors 600"):
        load(bare, embeddings={"cat": torch.ones(600)}, **CONFIG)
    loaded = load(bare, embeddings={"cat": torch.ones(64)}, **CONFIG)
    assert loaded.conversion is not None
    assert set(loaded.conversion.used) == set(bare)


def test_given_vectors_take_the_place_of_the_files(tensors: dict[str, Tensor]) -> None:
    given = {"cat": torch.arange(64.0)}
    loaded = load(tensors, embeddings=given, **CONFIG)
    assert loaded.text is None
    assert loaded.conversion is not None
    assert set(loaded.conversion.ignored) == {name for name in tensors if name.startswith("text.")}
    again = load(loaded.state_dict(), embeddings={"dog": torch.ones(64)}, **CONFIG)
    assert again.conversion is not None
    assert set(again.conversion.ignored) == {"words.vectors", "words.names"}
    kept = load(loaded.state_dict(), **CONFIG)
    assert same_weights(kept, loaded)
    nameless = {name: tensor for name, tensor in loaded.state_dict().items() if name != "words.names"}
    with pytest.raises(CheckpointError, match=r"no text tower.*embeddings="):
        load(nameless, **CONFIG)


def test_an_unknown_keyword(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UsageError, match="no keyword 'dilations'"):
        load(tensors, dilations=(1,))
