"""SimSeg's loader: zsseg.baseline's key names, with and without learned prompts and a crop adapter of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchbed.errors import CheckpointError
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from methods.simseg import METHOD
from methods.simseg.checkpoint import load
from methods.simseg.model import SimSeg, build

TINY = next(variant for variant in METHOD.variants if variant.embedded)
HEADS: dict[str, Any] = {"heads": 4, "multi_grid": (1,)}  # what shapes do not tell of the tiny size
Tensors = dict[str, Tensor]


def tiny(seed: int = 0, **changes: Any) -> SimSeg:
    torch.manual_seed(seed)
    simseg: SimSeg = build(**{**TINY.config, **changes})
    with torch.no_grad():
        for parameter in simseg.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    simseg.eval()
    return simseg


def adapter(simseg: SimSeg, prompt: str) -> Tensors:
    """One official clip_adapter, by the table of simseg.md, section 2."""
    colours = {"pixel_mean": CLIP_MEAN, "pixel_std": CLIP_STD}
    names = {"visual.": "clip_model.visual.", "text.": "clip_model.", prompt: "prompt_learner."}
    found = {name: torch.tensor(value).view(1, 3, 1, 1) for name, value in colours.items()}
    for name, tensor in simseg.state_dict().items():
        for ours, official in names.items():
            if name.startswith(ours):
                found[official + name.removeprefix(ours)] = tensor.clone()
    return {
        **found,
        "clip_model.logit_scale": torch.tensor(4.6),
        "non_object_embedding": simseg.non_object_embedding.detach().clone(),
    }


def official(simseg: SimSeg) -> Tensors:
    """A checkpoint as zsseg.baseline would have written it, frozen norms and all."""
    kept = ("backbone.", "sem_seg_head.")
    found = {name: t.clone() for name, t in simseg.state_dict().items() if name.startswith(kept)}
    found = {name: t for name, t in found.items() if not name.endswith("num_batches_tracked")}
    found["criterion.empty_weight"] = torch.ones(157)
    found |= {f"clip_adapter.{name}": t for name, t in adapter(simseg, "prompt.").items()}
    if simseg.settings.separate_adapter:
        found |= {f"_region_clip_adapter.{name}": t for name, t in adapter(simseg, "region_prompt.").items()}
    return found


def frozen(simseg: SimSeg) -> Tensors:
    """What must come back, without the counters that only trainable norms have."""
    return {n: t for n, t in simseg.state_dict().items() if not n.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    "choices",
    [
        {"prompts": "learnable"},
        {"prompts": "vild"},
        {"prompts": "single", "separate_adapter": True, "region_prompts": "learnable"},
        {"prompts": "learnable", "separate_adapter": True, "region_prompts": "learnable"},
        {"prompts": "learnable", "separate_adapter": True, "region_prompts": "vild"},
    ],
)
def test_every_configuration_comes_back(choices: dict[str, Any]) -> None:
    simseg = tiny(**choices)
    tensors = official(simseg)
    loaded = load(tensors, **HEADS, **choices)
    ours, theirs = frozen(simseg), frozen(loaded)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.conversion is not None
    used, ignored = set(loaded.conversion.used), set(loaded.conversion.ignored)
    assert used | ignored == set(tensors)
    assert not used & ignored
    assert all(loaded.conversion.ignored.values())


def test_the_file_tells_prompts_and_adapter() -> None:
    learned = load(official(tiny(prompts="learnable")), **HEADS).settings
    assert (learned.prompts, learned.separate_adapter) == ("learnable", False)
    written = load(official(tiny(prompts="single")), **HEADS).settings
    assert (written.prompts, written.separate_adapter) == ("vild", False)
    both = load(official(tiny(prompts="single", separate_adapter=True)), **HEADS, prompts="single").settings
    assert (both.prompts, both.separate_adapter, both.region_prompts) == ("single", True, "learnable")


def test_a_learned_prompt_that_is_not_asked_for_is_ignored_with_the_reason() -> None:
    loaded = load(official(tiny()), **HEADS, prompts="vild")
    assert loaded.prompt is None
    assert loaded.conversion is not None
    assert "vild" in loaded.conversion.ignored["clip_adapter.prompt_learner.prefix_prompt"]


def test_the_second_clip_is_ignored_because_it_is_the_first_one() -> None:
    tensors = official(tiny(prompts="single", separate_adapter=True))
    name = "_region_clip_adapter.clip_model.visual.conv1.weight"
    conversion = load(tensors, **HEADS, prompts="single").conversion
    assert conversion is not None
    assert "equal" in conversion.ignored[name]
    tensors[name] = tensors[name] + 1e-3
    with pytest.raises(CheckpointError, match="two different CLIPs"):
        load(tensors, **HEADS, prompts="single")


def altered(tensors: Tensors, case: str) -> Tensors:
    if case == "missing":
        del tensors["sem_seg_head.predictor.query_embed.weight"]
    elif case == "left over":
        tensors["decoder.layers.0.linear1.weight"] = torch.zeros(2, 2)
    elif case == "not finite":
        tensors["clip_adapter.non_object_embedding"][0, 0] = float("nan")
    elif case == "another mean":
        tensors["clip_adapter.pixel_mean"] += 1
    elif case == "no CLIP":
        tensors = {name: t for name, t in tensors.items() if not name.startswith("clip_adapter.clip_model.")}
    elif case == "another width":
        name = "sem_seg_head.predictor.class_embed.layers.1."
        tensors[f"{name}weight"], tensors[f"{name}bias"] = torch.zeros(32, 128), torch.zeros(32)
    return tensors


@pytest.mark.parametrize(
    ("case", "keywords", "words"),
    [
        ("missing", {}, "query_embed"),
        ("left over", {}, "unknown decoder.layers.0.linear1.weight"),
        ("not finite", {}, "NaN or Inf in non_object_embedding"),
        ("another mean", {}, "pixel_mean"),
        ("no CLIP", {}, "another method"),
        ("another width", {}, "class head"),
        ("", {"size": "r50-vit-b16"}, "is no simseg/r50-vit-b16"),
        ("", {"separate_adapter": True}, "separate_adapter=False"),
    ],
)
def test_what_does_not_fit_is_refused(case: str, keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(altered(official(tiny()), case), **HEADS, **keywords)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_learned_prompt_that_is_not_there_is_missed() -> None:
    with pytest.raises(CheckpointError, match="r101c-vild"):
        load(official(tiny(prompts="vild")), **HEADS, prompts="learnable")


def test_an_adapter_that_is_there_must_be_wanted() -> None:
    tensors = official(tiny(prompts="single", separate_adapter=True))
    with pytest.raises(CheckpointError, match="separate_adapter=True"):
        load(tensors, **HEADS, prompts="single", separate_adapter=False)
