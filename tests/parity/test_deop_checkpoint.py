"""DeOP's loader: every official tensor used or named as ignored, everything else refused in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from deop_small import SMALL, official, random_state
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.errors import CheckpointError
from methods.deop.checkpoint import IGNORED, inferred, load
from methods.deop.model import build
from methods.deop.sizes import R101C_VIT_B16

State = dict[str, Tensor]


@pytest.fixture
def state() -> State:
    return random_state(3)


def test_sizes_are_found_again(state: State) -> None:
    assert inferred(state) == SMALL, "severed None means the last block; the rest is in the shapes"
    assert inferred(state, severed=(0, 2)).severed == (0, 2)
    assert inferred(state, heads=4).proposals.heads == 4


def test_the_full_sizes_are_found_again() -> None:
    with torch.device("meta"):
        names = official(build("r101c-vit-b16"))
    assert inferred(names) == R101C_VIT_B16


def test_every_tensor_is_used_or_ignored_for_a_reason(state: State) -> None:
    deop = load(state)
    assert deop.conversion is not None
    assert set(deop.conversion.ignored) == set(IGNORED)
    assert all(deop.conversion.ignored.values())
    assert set(deop.conversion.used) == set(state) - set(IGNORED)
    ours = deop.state_dict()
    assert len(ours) == len(deop.conversion.used)
    for theirs, mine in {
        "clip_adapter.clip_model.visual.transformer.resblocks.1.learned_position": (
            "visual.transformer.resblocks.1.learned_position"
        ),
        "clip_adapter.clip_model.ln_final.weight": "text.ln_final.weight",
        "clip_adapter.prompt_learner.dot_signal": "prompt.dot_signal",
        "decoder.layers.0.multihead_attn_my.in_proj_weight": "decoder.layers.0.multihead_attn.in_proj_weight",
        "decoder.outlayer.multihead_attn_my.in_proj_bias": "decoder.outlayer.multihead_attn_my.in_proj_bias",
        "backbone.res5.2.conv2.norm.running_var": "backbone.res5.2.conv2.norm.running_var",
    }.items():
        assert torch.equal(ours[mine], state[theirs]), theirs


def test_without_what_is_ignored_it_loads_too(state: State) -> None:
    for name in IGNORED:
        del state[name]
    conversion = load(state).conversion
    assert conversion is not None
    assert not conversion.ignored


def test_a_detectron2_file_loads(state: State, tmp_path: Path) -> None:
    path = tmp_path / "model_final.pth"
    torch.save({"model": state, "iteration": 59999}, path)
    assert torch.equal(load(read_tensors(path)).query_embedding.weight, state["query_embedding.weight"])


def test_half_precision_is_widened(state: State) -> None:
    name = "clip_adapter.clip_model.token_embedding.weight"
    state[name] = state[name].half()
    table = load(state).text.token_embedding.weight
    assert table.dtype == torch.float32
    assert torch.equal(table, state[name].float())


def drop(name: str) -> Callable[[State], object]:
    return lambda state: state.pop(name)


def put(name: str, value: Tensor) -> Callable[[State], object]:
    return lambda state: state.update({name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("decoder.norm.weight"), "lacks decoder.norm.weight"),
        (drop("backbone.res2.0.conv1.weight"), "lacks backbone.res2.0.conv1.weight"),
        (drop("query_embedding.weight"), "lacks query_embedding.weight"),
        (drop("clip_adapter.prompt_learner.prefix_prompt"), "no tensor 'clip_adapter.prompt_learner.prefix"),
        (put("decoder.extra", torch.zeros(2)), "has unknown decoder.extra"),
        (put("backbone.stem.conv4.weight", torch.zeros(2)), "has unknown backbone.stem.conv4.weight"),
        (
            put("query_embedding.weight", torch.zeros(13, 64)),
            "query_embedding.weight (13, 64) (expected (12, 64))",
        ),
        (put("decoder.norm.bias", torch.full((64,), torch.nan)), "NaN or Inf in decoder.norm.bias"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    state: State, damage: Callable[[State], object], message: str
) -> None:
    damage(state)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load(state)


def test_a_checkpoint_of_another_size_than_the_variant_named_is_refused(state: State) -> None:
    with pytest.raises(
        CheckpointError, match=r"is no deop/r101c-vit-b16: clip is ClipSize\(.*expected ClipSize\("
    ):
        load(state, size="r101c-vit-b16")
