"""ZegFormer against numbers made by the official code (shared/golden/ZegFormer): every stored array."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
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

from benchbed.errors import CheckpointError
from benchbed.images import ImageBatch
from benchbed.scores import full_scores
from benchbed.vocabulary import Vocabulary
from methods.zegformer.checkpoint import CLIP, load
from methods.zegformer.crops import canvases, cut
from methods.zegformer.fusion import LAMBDA
from methods.zegformer.model import ZegFormer
from methods.zegformer.templates import template_set

CASES = cases("ZegFormer")
CROP_TOLERANCE = 1e-6  # of crops cut by the same masks: nothing but one interpolation lies between
pytestmark = needs_golden("ZegFormer")


class ZegformerCase(Case):
    method = "ZegFormer"

    @property
    def vocabulary(self) -> Vocabulary:
        seen = tuple(name not in self.config["unseen"] for name in self.class_names)
        return Vocabulary(self.class_names, seen)

    @property
    def keywords(self) -> dict[str, Any]:
        return {
            "heads": self.config["mask_former"]["nheads"],
            "head_templates": self.config["prompt_ensemble_type"],
            "gamma": self.config["gzero_calibrate"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }


@cache
def segmenter(name: str) -> ZegFormer:
    return cast(ZegFormer, ZegformerCase.read(name).load())


def everything(zegformer: ZegFormer, given: ZegformerCase) -> dict[str, Tensor]:
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


def crops_of(batch: ImageBatch, mask_logits: Tensor, index: int, given: ZegformerCase) -> dict[str, Tensor]:
    crops = cut(next(canvases(batch)), mask_logits[0], given.config["clip"]["res"])
    first = f"clip_crops_first2_{index}"
    return {
        first: crops[: len(given.expected[first])],
        f"clip_crops_mean{index}": crops.mean(dim=(2, 3)),
        f"clip_crops_std{index}": crops.std(dim=(2, 3)),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = ZegformerCase.read(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    check_arrays(given, found, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_crops_are_the_official_ones_in_their_order(name: str, parity_ledger: ParityLedger) -> None:
    """From the official masks, so that no float rounding moves a box; then even the interpolation agrees."""
    given = ZegformerCase.read(name)
    for index in range(given.images):
        masks = torch.from_numpy(given.expected[f"mask_logits_lowres{index}"])
        found = crops_of(given.batch(segmenter(name), index), masks, index, given)
        assert len(found[f"clip_crops_mean{index}"]) == given.config["mask_former"]["num_queries"]
        for key, crops in found.items():
            np.testing.assert_allclose(
                crops.numpy(), given.expected[key], rtol=0, atol=CROP_TOLERANCE, err_msg=key
            )
        official = {f"official_masks_{key}": given.expected[key] for key in found}
        ours = {f"official_masks_{key}": crops for key, crops in found.items()}
        parity_ledger.compare("ZegFormer", name, ours, official, CROP_TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    zegformer, given = segmenter(name), ZegformerCase.read(name)
    with torch.no_grad():
        check_class_maps(given, zegformer, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_prompts_and_constants_are_the_cases(name: str) -> None:
    config = ZegformerCase.read(name).config
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
    zegformer, config = segmenter(name), ZegformerCase.read(name).config
    assert sum(p.numel() for p in zegformer.parameters()) == config["params_total"]
    clip = sum(
        tensor.numel() for key, tensor in ZegformerCase.read(name).tensors.items() if key.startswith(CLIP)
    )
    trained = sum(p.numel() for p in zegformer.parameters() if p.requires_grad)
    assert trained == config["params_requires_grad"] - clip


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    check_conversion(ZegformerCase.read(name), segmenter(name).conversion, {"criterion.empty_weight"})


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_as_saved_in_training_takes_clip_from_a_file(name: str, tmp_path: Path) -> None:
    given, whole = ZegformerCase.read(name), ZegformerCase.read(name).tensors
    saved = {key: tensor for key, tensor in whole.items() if not key.startswith(CLIP)}
    clip = {key.removeprefix(CLIP): tensor for key, tensor in whole.items() if key.startswith(CLIP)}
    path = tmp_path / "clip.pt"
    torch.save({**clip, "vocab_size": torch.tensor(49408)}, path)
    zegformer = load(saved, clip=path, **given.keywords).eval()
    check_same_weights(segmenter(name), zegformer)
    assert zegformer.conversion is not None
    assert set(zegformer.conversion.ignored) == {"criterion.empty_weight", f"{CLIP}vocab_size"}
    with pytest.raises(CheckpointError, match="CLIP of its own"):
        load(whole, clip=path, **given.keywords)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_checkpoint_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBED_WEIGHTS", str(tmp_path))
    given, whole = ZegformerCase.read(name), ZegformerCase.read(name).tensors
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
