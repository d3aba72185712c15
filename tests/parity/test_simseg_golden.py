"""SimSeg against numbers made by the official code (shared/golden/SimSeg): every stored array, and the key format."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
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

from benchbed.images import ImageBatch
from benchbed.scores import full_scores
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.simseg.checkpoint import load
from methods.simseg.fusion import class_logits, with_no_object
from methods.simseg.model import SimSeg

CASES = cases("SimSeg")
pytestmark = needs_golden("SimSeg")


class SimsegCase(Case):
    method = "SimSeg"

    @property
    def keywords(self) -> dict[str, Any]:
        """What shapes do not tell."""
        return {
            "heads": self.config["mask_former"]["nheads"],
            "multi_grid": self.config["backbone"]["res5_multi_grid"],
            "mask_threshold": self.config["mask_thr"],
            "ensemble_weight": self.config["clip_ensemble_weight"],
            "prompts": self.config["prompt"]["kind"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.class_names, tuple(bool(flag) for flag in self.config["trainable_flag"]))


@cache
def segmenter(name: str) -> SimSeg:
    return cast(SimSeg, SimsegCase.read(name).load())


def everything(simseg: SimSeg, given: SimsegCase) -> dict[str, Tensor]:
    """Our value for every array that an `expected.npz` may hold, by its name there."""
    text = simseg.encode_vocabulary(given.vocabulary)
    found = {
        "text_embeddings": text.embeddings,
        "text_embeddings_with_noobj": with_no_object(text.embeddings, simseg.non_object_embedding),
    }
    for index in range(given.images):
        batch = given.batch(simseg, index)
        found |= own_part(simseg, batch, text, index) | crop_part(simseg, batch, text, index)
    return found


def own_part(simseg: SimSeg, batch: ImageBatch, text: TextFeatures, index: int) -> dict[str, Tensor]:
    features = simseg.backbone(batch.tensor)
    proposals = simseg.sem_seg_head(features)
    head: Any = simseg.sem_seg_head.predictor.class_embed
    embedded = head(proposals.embeddings)
    return {
        f"input{index}": batch.tensor,
        f"backbone_res5_{index}": features["res5"],
        f"mask_logits_lowres{index}": proposals.mask_logits,
        f"class_logits{index}": class_logits(
            embedded, with_no_object(text.embeddings, simseg.non_object_embedding)
        ),
    }


def crop_part(simseg: SimSeg, batch: ImageBatch, text: TextFeatures, index: int) -> dict[str, Tensor]:
    scores = simseg.segment(batch, text)
    crops = simseg.cut(batch, scores.mask_logits, 0)
    shown = simseg.encode(crops)
    valid = torch.zeros(simseg.size.proposals.queries, dtype=torch.bool)
    valid[crops.kept] = True
    (place,) = batch.geometry
    at_network_size = replace(scores, geometry=(replace(place, original=place.valid),))
    return {
        f"valid_flag{index}": valid,
        f"clip_crops_first2_{index}": crops.images[: 2 if index == 0 else 1],
        f"clip_crops_mean{index}": crops.images.mean((2, 3)),
        f"clip_crops_std{index}": crops.images.std((2, 3)),
        f"clip_image_features{index}": shown,
        f"clip_logits{index}": class_logits(
            shown, with_no_object(text.embeddings, simseg.non_object_embedding)
        ),
        f"sem_seg_net_res{index}": full_scores(at_network_size, 0),
        f"sem_seg{index}": full_scores(scores, 0),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = SimsegCase.read(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    check_arrays(given, found, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_the_same_proposals_are_kept_in_the_same_order(name: str) -> None:
    simseg, given = segmenter(name), SimsegCase.read(name)
    kept = []
    for index in range(given.images):
        masks = torch.from_numpy(given.expected[f"mask_logits_lowres{index}"])
        crops = simseg.cut(given.batch(simseg, index), masks, 0)
        assert crops.kept.tolist() == np.flatnonzero(given.expected[f"valid_flag{index}"]).tolist()
        kept.append(len(crops.kept))
    assert min(kept) < simseg.size.proposals.queries, "no case with an empty proposal"


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    simseg, given = segmenter(name), SimsegCase.read(name)
    with torch.no_grad():
        check_class_maps(given, simseg, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_the_dead_branch_of_the_last_block_changes_nothing(name: str) -> None:
    given = SimsegCase.read(name)
    whole = cast(SimSeg, given.load(whole_last_block=True))
    crops = whole.cut(given.batch(whole, 0), torch.from_numpy(given.expected["mask_logits_lowres0"]), 0)
    torch.testing.assert_close(whole.encode(crops), segmenter(name).encode(crops), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_parameter_counts_are_the_cases(name: str) -> None:
    """CLIP's own temperature, one number, is the only parameter that we do not hold."""
    simseg, config = segmenter(name), SimsegCase.read(name).config
    assert sum(p.numel() for p in simseg.parameters()) + 1 == config["params_total"]
    assert sum(p.numel() for p in simseg.parameters() if p.requires_grad) == config["params_requires_grad"]


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    ignored = {
        "criterion.empty_weight",
        "clip_adapter.clip_model.logit_scale",
        "clip_adapter.pixel_mean",
        "clip_adapter.pixel_std",
    }
    check_conversion(SimsegCase.read(name), segmenter(name).conversion, ignored)


@pytest.mark.parametrize("name", CASES)
def test_the_older_names_of_the_pixel_decoder_load_to_the_same_segmenter(name: str) -> None:
    tensors = SimsegCase.read(name).tensors
    older = {key.replace("sem_seg_head.pixel_decoder.", "sem_seg_head."): t for key, t in tensors.items()}
    assert older.keys() != tensors.keys()
    simseg = load(older, **SimsegCase.read(name).keywords)
    check_same_weights(segmenter(name), simseg)
    assert simseg.conversion is not None
    assert set(simseg.conversion.used) | set(simseg.conversion.ignored) == set(older)
