"""A CLIP's tensors into any method's towers: what is filled, what follows, what is left alone, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchbed.clip import ImageTower, TextTower
from benchbed.clip_sizes import TINY
from benchbed.clip_weights import TABLE_IDS, TABLE_ROWS, read_clip, take_clip, write_clip
from benchbed.errors import CheckpointError
from benchbed.registry import choose, resolve
from benchbed.segmenter import Segmenter
from benchbed.shipped_file import read_header
from benchbed.vocabulary import Vocabulary

NAMES = Vocabulary(("striped triangle", "plain disc"), (True, False))
BOTH = ("deop", "maskclip", "san", "simseg", "zegformer")
TEXT_ONLY = ("bridge", "lseg", "spnet")


@pytest.fixture(scope="module")
def clip() -> dict[str, Tensor]:
    """A random CLIP of the size of `shapes`, by OpenAI's names."""
    torch.manual_seed(7)
    visual = {f"visual.{name}": value for name, value in ImageTower(TINY).state_dict().items()}
    return {**visual, **TextTower(TINY).state_dict(), "logit_scale": torch.tensor(math.log(17.0))}


def tiny(method: str) -> Segmenter:
    """The tiny variant of a method, with random weights."""
    variant = choose(method, embedded=True).variant
    torch.manual_seed(1)
    segmenter: Segmenter = resolve(variant.build)(**variant.config).eval()
    return segmenter


@pytest.mark.parametrize("method", [*BOTH, *TEXT_ONLY])
def test_every_method_takes_it(method: str, clip: dict[str, Tensor]) -> None:
    segmenter = tiny(method)
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    taken = take_clip(segmenter, clip)
    after = segmenter.state_dict()
    towers = {type(m): m for m in segmenter.modules() if isinstance(m, ImageTower | TextTower)}
    assert len(towers) == (2 if method in BOTH else 1)
    for kind, tower in towers.items():
        prefix = "visual." if issubclass(kind, ImageTower) else ""
        for name, value in tower.state_dict().items():
            assert f"{prefix}{name}" not in clip or value.equal(clip[f"{prefix}{name}"]), name
    assert all(after[name].equal(before[name]) for name in set(after) - taken), "something else was touched"
    assert not {name for name in taken if after[name].equal(before[name])} & {
        name for name in taken if after[name].ndim > 1 and "signal" not in name
    }


def test_what_a_tower_has_of_its_own_stays(clip: dict[str, Tensor]) -> None:
    deop = tiny("deop")
    own = {name for name in deop.state_dict() if name.endswith("learned_position")}
    assert own
    assert not own & take_clip(deop, clip)


def test_prompt_learners_follow_the_text_tower(clip: dict[str, Tensor]) -> None:
    for method in ("deop", "simseg"):
        segmenter = tiny(method)
        context = segmenter.prompt.prefix_prompt.clone()
        taken = take_clip(segmenter, clip)
        assert segmenter.prompt.end_signal.equal(clip["token_embedding.weight"][49407:49408])
        assert segmenter.prompt.prefix_prompt.equal(context)
        assert "prompt.end_signal" in taken
        assert "prompt.prefix_prompt" not in taken


@pytest.mark.parametrize(("method", "name"), [("san", "logit_scale"), ("zegformer", "clip_scale")])
def test_the_temperature_goes_where_a_method_keeps_clips(
    method: str, name: str, clip: dict[str, Tensor]
) -> None:
    segmenter = tiny(method)
    assert name in take_clip(segmenter, clip)
    assert float(getattr(segmenter, name).detach().exp()) == pytest.approx(17)
    with pytest.raises(CheckpointError, match=r"the CLIP given: .*lacks logit_scale"):
        take_clip(segmenter, {n: v for n, v in clip.items() if n != "logit_scale"})


def test_a_temperature_of_a_methods_own_is_not_clips(clip: dict[str, Tensor]) -> None:
    segmenter = tiny("zegformer")
    assert "class_head.logit_scale" not in take_clip(segmenter, clip)


def test_cached_text_is_dropped(clip: dict[str, Tensor]) -> None:
    segmenter = tiny("maskclip")
    before = segmenter.text_for(NAMES).embeddings
    take_clip(segmenter, clip)
    assert not torch.allclose(segmenter.text_for(NAMES).embeddings, before, atol=1e-3)


def test_a_file_gives_the_same_as_its_tensors(clip: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(clip, tmp_path / "c.safetensors")
    torch.save({**clip, "input_resolution": torch.tensor(64)}, tmp_path / "c.pth")
    expected = tiny("san")
    take_clip(expected, clip)
    for file in ("c.safetensors", "c.pth"):
        found = tiny("san")
        take_clip(found, tmp_path / file)
        assert all(value.equal(expected.state_dict()[name]) for name, value in found.state_dict().items())


def test_another_size_is_refused_with_file_found_and_expected(
    clip: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "large.safetensors"
    save_file({**clip, "visual.proj": torch.zeros(128, 512)}, path)
    with pytest.raises(
        CheckpointError, match=r"large\.safetensors: .*visual\.proj \(128, 512\) \(expected \(128, 64\)\)"
    ):
        take_clip(tiny("san"), path)
    take_clip(tiny("lseg"), path)  # which has no image tower


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"visual.proj": None}, r"lacks visual\.proj"),
        ({"ln_final.bias": None}, r"lacks ln_final\.bias"),
        ({"logit_bias": torch.zeros(())}, r"has unknown logit_bias"),
        ({"text_projection": torch.full((64, 64), math.nan)}, r"NaN or Inf in text_projection"),
    ],
)
def test_what_is_no_whole_clip_is_refused(
    change: dict[str, Tensor | None], says: str, clip: dict[str, Tensor]
) -> None:
    changed = {name: value for name, value in {**clip, **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=says):
        take_clip(tiny("maskclip"), changed)


def test_the_shipped_form_keeps_the_words_it_read_and_no_others(
    clip: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "small.safetensors"
    words = [49406, 49407, 320, 320, 1125]
    sha = write_clip(path, clip, words, {"seed": 3})
    assert sha == write_clip(tmp_path / "again.safetensors", clip, words[::-1], {"seed": 3})
    stored = load_file(path)
    assert stored[TABLE_IDS].tolist() == [320, 1125, 49406, 49407]
    assert stored[TABLE_ROWS].dtype == torch.float16
    assert {stored[name].dtype for name in stored if stored[name].ndim == 1 and name != TABLE_IDS} == {
        torch.float32
    }
    assert path.stat().st_size < 2_000_000
    assert read_header(path) == {"kind": "clip", "seed": 3}
    read = read_clip(path)
    assert set(read) == set(clip)
    for name, value in read.items():
        if name == "token_embedding.weight":
            assert value.shape == (49408, 64)
            assert set(value.any(1).nonzero().flatten().tolist()) == set(words)
        assert torch.allclose(value[words].float() if "token_em" in name else value.float(),
                              clip[name][words] if "token_em" in name else clip[name], atol=1e-3)  # fmt: skip


def test_maskclip_opens_the_shipped_form_as_a_checkpoint(clip: dict[str, Tensor], tmp_path: Path) -> None:
    from benchbed import load_method

    path = tmp_path / "small.safetensors"
    write_clip(path, clip, range(0, 49408, 7), {})
    loaded = load_method("maskclip", checkpoint=path)
    expected = tiny("maskclip")
    take_clip(expected, path)
    assert all(value.equal(expected.state_dict()[name]) for name, value in loaded.state_dict().items())
