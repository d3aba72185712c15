"""Weights that ship: round trip, what is left out, and the checks when they come back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchbed import load_method, registry
from benchbed.checkpoints import weights_digest
from benchbed.clip import ImageTower, TextTower
from benchbed.clip_sizes import TINY
from benchbed.clip_weights import take_clip, write_clip
from benchbed.errors import CheckpointError, UsageError
from benchbed.packaged_weights import CLIP_SHA, pack, unpack
from benchbed.registry import choose, require_shipped, resolve
from benchbed.segmenter import Segmenter
from benchbed.shipped_file import file_sha256, narrow, read_header
from benchbed.weights import packaged_path

METHODS = ("bridge", "deop", "lseg", "maskclip", "san", "simseg", "spnet", "zegformer")


def write_random_clip(path: Path, seed: int) -> Path:
    """A CLIP of the size of `shapes`."""
    torch.manual_seed(seed)
    visual = {f"visual.{name}": value for name, value in ImageTower(TINY).state_dict().items()}
    tensors = {**visual, **TextTower(TINY).state_dict(), "logit_scale": torch.tensor(3.0)}
    write_clip(path, tensors, range(49000, 49408), {})
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_clip(tmp_path_factory.mktemp("clip") / "clip.safetensors", 5)


def tiny(method: str, seed: int) -> Segmenter:
    """The tiny variant of a method, with random weights."""
    variant = choose(method, embedded=True).variant
    torch.manual_seed(seed)
    segmenter: Segmenter = resolve(variant.build)(**variant.config)
    return segmenter


def trained(method: str, clip: Path, seed: int = 1) -> Segmenter:
    """With this CLIP inside, and everything that a recipe may change at some other value."""
    segmenter = tiny(method, seed)
    take_clip(segmenter, clip)
    with torch.no_grad():
        for parameter in segmenter.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return segmenter


@pytest.mark.parametrize("method", METHODS)
def test_round_trip(method: str, clip: Path, tmp_path: Path) -> None:
    segmenter = trained(method, clip)
    pack(segmenter, tmp_path / "w.safetensors", {"seed": 4}, clip)
    back = tiny(method, 99)
    assert unpack(tmp_path / "w.safetensors", back, clip)["seed"] == 4
    found = back.state_dict()
    for name, value in segmenter.state_dict().items():
        assert found[name].equal(narrow(value).to(value.dtype)), name


@pytest.mark.parametrize("method", METHODS)
def test_only_what_the_clip_lacks_is_stored(method: str, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    segmenter = trained(method, clip)
    pack(segmenter, path, {}, clip)
    stored = load_file(path)
    assert not [name for name in stored if "token_embedding" in name]
    changed = {name for name, p in segmenter.named_parameters() if p.requires_grad}
    assert changed <= set(stored)
    assert read_header(path)[CLIP_SHA] == file_sha256(clip)
    for name, value in stored.items():
        if value.is_floating_point():
            assert value.dtype == (torch.float16 if value.ndim > 1 else torch.float32), name


def test_what_training_changed_of_the_clip_is_stored(clip: Path, tmp_path: Path) -> None:
    pack(trained("san", clip), tmp_path / "w.safetensors", {}, clip)
    of_clip = {name for name in load_file(tmp_path / "w.safetensors") if name.startswith(("clip.", "text."))}
    assert of_clip == {"clip.positional_embedding"}


def test_the_same_content_gives_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    about = {"seed": 1, "dataset": "shapes", "recipe": {"b": 2, "a": (1, 2)}}
    shas = {pack(trained("spnet", clip), tmp_path / f"{n}.safetensors", about, clip) for n in range(3)}
    assert shas == {file_sha256(tmp_path / "0.safetensors")}


def test_another_clip_is_refused(clip: Path, tmp_path: Path) -> None:
    pack(trained("san", clip), tmp_path / "w.safetensors", {}, clip)
    other = write_random_clip(tmp_path / "other.safetensors", 6)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: was trained around .*other\.safetensors"):
        unpack(tmp_path / "w.safetensors", tiny("san", 1), other)
    with pytest.raises(CheckpointError, match=r"needs the CLIP .*gone\.safetensors"):
        unpack(tmp_path / "w.safetensors", tiny("san", 1), tmp_path / "gone.safetensors")


def test_a_file_of_another_method_is_refused(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    pack(trained("san", clip), path, {}, clip)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: the checkpoint lacks"):
        unpack(path, tiny("spnet", 1), clip)


def test_a_missing_and_a_cut_file_are_named(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match=r"w\.safetensors: no such weights"):
        unpack(path, tiny("spnet", 1), clip)
    pack(trained("spnet", clip), path, {}, clip)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"w\.safetensors: not a whole safetensors file"):
        unpack(path, tiny("spnet", 1), clip)


def test_a_clip_alone_fills_maskclip_and_nothing_bigger(clip: Path) -> None:
    back, expected = tiny("maskclip", 3), tiny("maskclip", 4)
    unpack(clip, back)
    take_clip(expected, clip)
    assert all(value.equal(expected.state_dict()[name]) for name, value in back.state_dict().items())
    with pytest.raises(CheckpointError, match=r"clip\.safetensors: the checkpoint lacks"):
        unpack(clip, tiny("san", 1))


def test_a_plain_state_of_a_third_partys_is_taken_as_it_is(tmp_path: Path) -> None:
    segmenter, back = tiny("spnet", 1), tiny("spnet", 2)
    state: dict[str, Tensor] = {name: value.clone() for name, value in segmenter.state_dict().items()}
    save_file(state, tmp_path / "plain.safetensors")
    assert unpack(tmp_path / "plain.safetensors", back) == {}
    assert all(value.equal(state[name]) for name, value in back.state_dict().items())


def test_numbers_beyond_half_precision_stay_whole() -> None:
    assert narrow(torch.full((2, 2), 1e5)).dtype == torch.float32
    assert narrow(torch.full((2, 2), 1e4)).dtype == torch.float16
    assert narrow(torch.arange(4).reshape(2, 2)).dtype == torch.int64


def test_shipped_weights_by_name_are_those_of_a_run() -> None:
    loaded = load_method("spnet/tiny", "shipped")
    filled = tiny("spnet", 3)
    unpack(packaged_path(choose("spnet/tiny").variant), filled)
    assert weights_digest(loaded) == weights_digest(filled) != weights_digest(load_method("spnet/tiny"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "san",
            "san/vit-b16: no weights come with it; they come with san/tiny; give a checkpoint's path, or None",
        ),
        ("bridge/tiny-plain", "bridge/tiny-plain: no weights come with it; they come with bridge/tiny; give"),
    ],
)
def test_a_variant_without_shipped_weights_says_which_have_some_before_it_is_built(
    name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "resolve", lambda target: pytest.fail(f"{target} was asked for"))
    with pytest.raises(UsageError, match=re.escape(says)):
        load_method(name, "shipped")


def test_a_method_without_any_shipped_weights_says_so() -> None:
    chosen = choose("san")
    bare = replace(chosen.method, variants=(chosen.variant, replace(chosen.variant, name="other")))
    with pytest.raises(
        UsageError, match=r"san/vit-b16: no weights come with it, nor with any variant of san; now"
    ):
        require_shipped(replace(chosen, found=replace(chosen.found, object=bare)), "now")
