"""LSeg's loader: the authors' key format of each encoder, every tensor accounted for, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lseg_small import VIT
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.errors import CheckpointError, UsageError
from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from methods.lseg import METHOD
from methods.lseg.checkpoint import load
from methods.lseg.model import LSeg, build

TINY = METHOD.default_variant(embedded=True)
PATCH_32 = {**VIT, "patch": 32, "width": 32, "heads": 2, "layers": 8, "hooks": (1, 3, 5, 7)}
TOLD_BY_HAND = {"heads": 3, "short_side": 128, "longest_side": 256}


@pytest.fixture(scope="module")
def source() -> LSeg:
    return drawn(VIT)


def drawn(config: Any, **changes: Any) -> LSeg:
    torch.manual_seed(5)
    segmenter: LSeg = build(**{**config, **changes}).eval()
    return segmenter


def official(segmenter: LSeg) -> dict[str, Tensor]:
    """The authors' names, written out independently of the loader, with what their model holds besides."""
    found = {f"net.{official_of(name)}": tensor for name, tensor in segmenter.state_dict().items()}
    found["net.clip_pretrained.logit_scale"] = torch.tensor(4.6)
    found["net.clip_pretrained.visual.proj"] = torch.ones(3, 4)
    for part in ("conv1.weight", "bn2.num_batches_tracked"):
        found[f"net.scratch.refinenet4.resConfUnit1.{part}"] = torch.ones(2)
    if segmenter.size.encoder == "vit":
        for part in ("norm.weight", "norm.bias", "head.weight", "head.bias"):
            found[f"net.pretrained.model.{part}"] = torch.ones(2)
    return found


def official_of(name: str) -> str:
    pieces = name.split(".")
    tail = ".".join(pieces[3:])
    if pieces[0] == "text":
        return "clip_pretrained." + name.removeprefix("text.")
    if pieces[0] == "encoder":
        return ("pretrained." if pieces[1].startswith("layer") else "pretrained.model.") + name.removeprefix(
            "encoder."
        )
    if pieces[0] == "reassemble":
        place = {"readout": "0.project.0", "project": "3", "resize": "4"}[pieces[2]]
        return f"pretrained.act_postprocess{int(pieces[1]) + 1}.{place}.{tail}"
    if pieces[0] == "regularise":
        return f"scratch.head_block.depthwise.{name.removeprefix('regularise.')}"
    if pieces[1] == "head":
        return f"scratch.head1.{pieces[2]}"
    if pieces[1] == "lateral":
        return f"scratch.layer{int(pieces[2]) + 1}_rn.{tail}"
    inner = {"out": "out_conv", "skip": "resConfUnit1", "refine": "resConfUnit2"}[pieces[3]]
    return f"scratch.refinenet{int(pieces[2]) + 1}.{inner}." + ".".join(pieces[4:])


def same_weights(first: LSeg, second: LSeg) -> bool:
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())


@torch.no_grad()
def same_logits(first: LSeg, second: LSeg) -> bool:
    images = ImageBatch.around(torch.randn(1, 3, 64, 96), first.input_spec)
    text = TextFeatures(torch.randn(3, first.size.text.embed_dim))
    return torch.equal(first.segment(images, text).logits, second.segment(images, text).logits)


@pytest.mark.parametrize("config", [VIT, PATCH_32])
def test_official_tensors_tell_their_sizes(config: dict[str, Any]) -> None:
    segmenter = drawn(config)
    loaded = load(official(segmenter), heads=config["heads"]).eval()
    assert same_weights(segmenter, loaded)
    assert same_logits(segmenter, loaded)
    assert loaded.size.hooks == config["hooks"]


def test_heads_are_64_wide_unless_said_otherwise() -> None:
    segmenter = drawn(VIT, width=128, heads=2)
    assert same_logits(segmenter, load(official(segmenter)).eval())
    assert not same_logits(segmenter, load(official(segmenter), heads=4).eval())


def test_the_resnet_variant() -> None:
    """The stem sits at 0 and 1 of `layer1`, its blocks at 4 (lseg_vit_zs.py, _make_resnet_backbone)."""
    segmenter = drawn(
        {"encoder": "resnet101", "pyramid": (256, 512, 1024, 2048), "features": 8, "text": "tiny"}
    )
    tensors = official(segmenter)
    for name in ("0.weight", "1.running_mean", "4.0.conv1.weight", "4.0.downsample.0.weight", "4.2.bn3.bias"):
        assert f"net.pretrained.layer1.{name}" in tensors
    assert tensors["net.pretrained.layer3.22.conv3.weight"].shape == (1024, 256, 1, 1)
    loaded = load(tensors).eval()
    assert same_weights(segmenter, loaded)
    assert same_logits(segmenter, loaded)
    assert loaded.input_spec == segmenter.input_spec


def test_the_tiny_variant_is_known_by_its_stem() -> None:
    """Ours alone, so by our names: its three convolutions are no stage's."""
    segmenter = drawn(TINY.config)
    again = load(segmenter.state_dict(), short_side=128, longest_side=256).eval()
    assert (again.size.encoder, again.size.pyramid) == ("resnet17", (64, 128, 256, 512))
    assert same_weights(segmenter, again)
    assert same_logits(segmenter, again)
    assert again.input_spec == segmenter.input_spec
    with pytest.raises(CheckpointError, match="encoder is resnet17"):
        load(segmenter.state_dict(), encoder="vit")


def test_every_tensor_is_used_or_ignored_with_a_reason(source: LSeg) -> None:
    tensors = official(source)
    conversion = load(tensors, **TOLD_BY_HAND).conversion
    assert conversion is not None
    assert set(conversion.used) | set(conversion.ignored) == set(tensors)
    assert set(conversion.used) == {f"net.{official_of(name)}" for name in source.state_dict()}
    assert all(len(reason) > 20 for reason in conversion.ignored.values())
    assert not [
        name for name in conversion.ignored if re.search(r"refinenet[123]|resConfUnit2|ln_final", name)
    ]


@pytest.mark.parametrize("prefix", ["net.", ""])
def test_lightnings_prefix_may_be_gone(source: LSeg, prefix: str) -> None:
    tensors = {prefix + name.removeprefix("net."): tensor for name, tensor in official(source).items()}
    assert same_weights(source, load(tensors, **TOLD_BY_HAND))


def test_our_own_names_load_too(source: LSeg) -> None:
    loaded = load(source.state_dict(), **VIT)
    assert same_weights(source, loaded)
    assert loaded.conversion is not None
    assert set(loaded.conversion.used) == set(source.state_dict())
    assert not loaded.conversion.ignored


def test_a_lightning_file_with_half_precision_clip(source: LSeg, tmp_path: Path) -> None:
    tensors = {n: t.half() if n.startswith("net.clip") else t for n, t in official(source).items()}
    path = tmp_path / "demo.ckpt"
    torch.save({"epoch": 3, "state_dict": tensors}, path)
    loaded = load(read_tensors(path), **TOLD_BY_HAND)
    assert loaded.text.text_projection.dtype == torch.float32
    torch.testing.assert_close(loaded.text.text_projection, source.text.text_projection.half().float())


@pytest.mark.parametrize("kind", ["bottleneck", "depthwise"])
def test_a_regularisation_block_must_be_named(kind: str) -> None:
    segmenter = drawn(VIT, regularisation=kind, depth=2)
    tensors = official(segmenter)
    loaded = load(tensors, **TOLD_BY_HAND, regularisation=kind, depth=2).eval()
    assert same_logits(segmenter, loaded)
    for wrong in ({}, {"regularisation": "none"}):
        with pytest.raises(CheckpointError, match="regularisation='bottleneck'"):
            load(tensors, **TOLD_BY_HAND, **wrong)


def test_a_regularisation_block_that_is_not_there(source: LSeg) -> None:
    with pytest.raises(CheckpointError, match="regularisation is none"):
        load(official(source), regularisation="bottleneck")


@pytest.mark.parametrize(
    "name",
    [
        "net.scratch.head1.bias",
        "net.pretrained.model.pos_embed",
        "net.clip_pretrained.text_projection",
        "net.scratch.layer4_rn.weight",
    ],
)
def test_a_missing_tensor_is_named(source: LSeg, name: str) -> None:
    tensors = official(source)
    del tensors[name]
    with pytest.raises(CheckpointError, match="lacks"):
        load(tensors, **TOLD_BY_HAND)


@pytest.mark.parametrize(
    "name", ["net.scratch.refinenet4.resConfUnit3.conv1.weight", "net.auxlayer.weight", "epoch"]
)
def test_a_tensor_nobody_knows_is_named(source: LSeg, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"unknown {re.escape(name)}"):
        load({**official(source), name: torch.ones(2)}, **TOLD_BY_HAND)


def test_a_tensor_of_another_shape_is_named(source: LSeg) -> None:
    tensors = official(source)
    tensors["net.scratch.head1.weight"] = torch.ones(7, 7, 1, 1)
    with pytest.raises(CheckpointError, match=r"decoder\.head\.weight"):
        load(tensors, **TOLD_BY_HAND)


def test_a_size_against_the_shapes_is_refused(source: LSeg) -> None:
    with pytest.raises(CheckpointError, match="width is 96"):
        load(official(source), width=1024)
    with pytest.raises(CheckpointError, match="text is"):
        load(official(source), text="vit-b32")


def test_heads_that_do_not_fit_are_refused(source: LSeg) -> None:
    with pytest.raises(CheckpointError, match="heads=7"):
        load(official(source), heads=7)


def test_other_methods_files_are_refused() -> None:
    with pytest.raises(CheckpointError, match="lacks"):
        load({"visual.proj": torch.ones(2, 2), "net.scratch.head1.weight": torch.ones(2, 2, 1, 1)})


def test_an_unknown_keyword_is_refused(source: LSeg) -> None:
    with pytest.raises(UsageError, match="did you mean regularisation"):
        load(official(source), regularization="none")
