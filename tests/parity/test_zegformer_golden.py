"""ZegFormer against numbers made by the official code (shared/golden/ZegFormer): every stored array."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.errors import CheckpointError
from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores, label_maps
from benchbed.vocabulary import Vocabulary
from methods.zegformer.checkpoint import CLIP, load
from methods.zegformer.crops import canvases, cut
from methods.zegformer.fusion import LAMBDA
from methods.zegformer.model import ZegFormer
from methods.zegformer.templates import template_set

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "ZegFormer"
CASES = sorted(path.name for path in GOLDEN.glob("*") if path.is_dir())
TOLERANCE = 1e-4  # largest difference over the largest expected magnitude
CROP_TOLERANCE = 1e-6  # of crops cut by the same masks: nothing but one interpolation lies between
pytestmark = pytest.mark.skipif(not CASES, reason=f"no golden cases: {GOLDEN} is not on this machine")


@dataclass(frozen=True)
class Case:
    """One folder: official weights, images, and what the official code made of them."""

    folder: Path
    config: dict[str, Any]
    inputs: dict[str, NDArray[Any]]
    expected: dict[str, NDArray[Any]]

    @property
    def images(self) -> int:
        return sum(re.fullmatch(r"image\d+", name) is not None for name in self.inputs)

    @property
    def vocabulary(self) -> Vocabulary:
        names = tuple(str(name) for name in self.inputs["classes"])
        return Vocabulary(names, tuple(name not in self.config["unseen"] for name in names))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return read_tensors(self.folder / "state_dict.pth")

    @property
    def keywords(self) -> dict[str, Any]:
        return {
            "heads": self.config["mask_former"]["nheads"],
            "head_templates": self.config["prompt_ensemble_type"],
            "gamma": self.config["gzero_calibrate"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }

    def batch(self, zegformer: ZegFormer, index: int) -> ImageBatch:
        batch = prepare([self.inputs[f"image{index}"]], zegformer.input_spec)
        assert np.array_equal(batch.pixels[0].numpy().transpose(1, 2, 0), self.inputs[f"resized{index}"])
        return batch


@cache
def case(name: str) -> Case:
    folder = GOLDEN / name
    return Case(
        folder,
        json.loads((folder / "config.json").read_text()),
        dict(np.load(folder / "input.npz")),
        dict(np.load(folder / "expected.npz")),
    )


@cache
def segmenter(name: str) -> ZegFormer:
    return cast(ZegFormer, load(case(name).tensors, **case(name).keywords).eval())


def everything(zegformer: ZegFormer, given: Case) -> dict[str, Tensor]:
    """Our value for every array that an `expected.npz` may hold, by its name there."""
    text = zegformer.encode_vocabulary(given.vocabulary)
    found = {"text_features_head": text.embeddings, "text_features_clip": text.extra["clip"]}
    for index in range(given.images):
        batch = given.batch(zegformer, index)
        features = zegformer.backbone(batch.tensor)
        proposals = zegformer.sem_seg_head(features)
        embedded = zegformer.clip_features(batch, proposals.mask_logits)
        scores = zegformer.segment(batch, text)
        found |= {
            f"input{index}": batch.tensor,
            f"backbone_res5_{index}": features["res5"],
            f"mask_logits_lowres{index}": proposals.mask_logits,
            f"class_logits{index}": zegformer.class_head(proposals.embeddings, text.embeddings),
            f"clip_image_features{index}": embedded[0],
            f"clip_logits{index}": zegformer.clip_logits(embedded, text)[0],
            f"class_probs_ensembled{index}": scores.class_scores[0],
            f"sem_seg{index}": full_scores(scores, 0),
        }
        found |= crops_of(batch, proposals.mask_logits, index, given)
    return found


def crops_of(batch: ImageBatch, mask_logits: Tensor, index: int, given: Case) -> dict[str, Tensor]:
    crops = cut(next(canvases(batch)), mask_logits[0], given.config["clip"]["res"])
    first = f"clip_crops_first2_{index}"
    return {
        first: crops[: len(given.expected[first])],
        f"clip_crops_mean{index}": crops.mean(dim=(2, 3)),
        f"clip_crops_std{index}": crops.std(dim=(2, 3)),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = case(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    parity_ledger.compare("ZegFormer", name, found, given.expected, TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_crops_are_the_official_ones_in_their_order(name: str, parity_ledger: ParityLedger) -> None:
    """From the official masks, so that no float rounding moves a box; then even the interpolation agrees."""
    given = case(name)
    for index in range(given.images):
        masks = torch.from_numpy(given.expected[f"mask_logits_lowres{index}"])
        found = crops_of(given.batch(segmenter(name), index), masks, index, given)
        assert len(found[f"clip_crops_mean{index}"]) == given.config["mask_former"]["num_queries"]
        for key, ours in found.items():
            np.testing.assert_allclose(
                ours.numpy(), given.expected[key], rtol=0, atol=CROP_TOLERANCE, err_msg=key
            )
        official = {f"official_masks_{key}": given.expected[key] for key in found}
        ours = {f"official_masks_{key}": crops for key, crops in found.items()}
        parity_ledger.compare("ZegFormer", name, ours, official, CROP_TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    zegformer, given = segmenter(name), case(name)
    with torch.no_grad():
        text = zegformer.encode_vocabulary(given.vocabulary)
        for index in range(given.images):
            labels = label_maps(zegformer.segment(given.batch(zegformer, index), text))[0]
            parity_ledger.compare_labels(
                "ZegFormer", name, f"sem_seg{index}", labels, given.expected[f"sem_seg{index}"], TOLERANCE
            )


@pytest.mark.parametrize("name", CASES)
def test_prompts_and_constants_are_the_cases(name: str) -> None:
    config = case(name).config
    assert list(template_set(config["prompt_ensemble_type"])) == config["templates_head"]
    assert list(template_set("imagenet_select_clip")) == config["templates_clip"]
    assert config["ensembling_lambda"] == LAMBDA
    size = segmenter(name).size
    assert size.clip.image_size == config["clip"]["res"]
    assert size.backbone.blocks == {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[config["backbone"]["depth"]]
    assert size.proposals.queries == config["mask_former"]["num_queries"]


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_the_cases_with_clip_frozen(name: str) -> None:
    """The official evaluation model leaves `requires_grad` on in CLIP and off in one scalar; its training model has no CLIP."""
    zegformer, config = segmenter(name), case(name).config
    assert sum(p.numel() for p in zegformer.parameters()) == config["params_total"]
    clip = sum(tensor.numel() for key, tensor in case(name).tensors.items() if key.startswith(CLIP))
    trained = sum(p.numel() for p in zegformer.parameters() if p.requires_grad)
    assert trained == config["params_requires_grad"] - clip


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    names = {line.split("\t")[0] for line in (case(name).folder / "keys.txt").read_text().splitlines()}
    conversion = segmenter(name).conversion
    assert conversion is not None
    assert names == set(conversion.used) | set(conversion.ignored)
    assert not set(conversion.used) & set(conversion.ignored)
    assert set(conversion.ignored) == {"criterion.empty_weight"}


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_as_saved_in_training_takes_clip_from_a_file(name: str, tmp_path: Path) -> None:
    given, whole = case(name), case(name).tensors
    saved = {key: tensor for key, tensor in whole.items() if not key.startswith(CLIP)}
    clip = {key.removeprefix(CLIP): tensor for key, tensor in whole.items() if key.startswith(CLIP)}
    path = tmp_path / "clip.pt"
    torch.save({**clip, "vocab_size": torch.tensor(49408)}, path)
    zegformer = load(saved, clip=path, **given.keywords).eval()
    ours, theirs = zegformer.state_dict(), segmenter(name).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert zegformer.conversion is not None
    assert set(zegformer.conversion.ignored) == {"criterion.empty_weight", f"{CLIP}vocab_size"}
    with pytest.raises(CheckpointError, match="CLIP of its own"):
        load(whole, clip=path, **given.keywords)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_checkpoint_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBED_WEIGHTS", str(tmp_path))
    given, whole = case(name), case(name).tensors
    saved = {key: tensor for key, tensor in whole.items() if not key.startswith(CLIP)}
    with pytest.raises(CheckpointError, match=r"no CLIP inside.*clip=PATH"):
        load(saved, **given.keywords)
    with pytest.raises(CheckpointError, match="has unknown extra"):
        load({**whole, "extra.weight": torch.zeros(1)}, **given.keywords)
    without = {key: tensor for key, tensor in whole.items() if not key.endswith("bg_feature")}
    with pytest.raises(CheckpointError, match=r"lacks class_head\.bg_feature"):
        load(without, **given.keywords)
    with pytest.raises(CheckpointError, match="is no zegformer/r101: clip is"):
        load(whole, size="r101", **given.keywords)
    with pytest.raises(CheckpointError, match="another method"):
        load({"weight": torch.zeros(1)})
