"""SimSeg against numbers made by the official code (shared/golden/SimSeg): every stored array, and the key format."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed.checkpoints import read_tensors
from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.simseg.checkpoint import load
from methods.simseg.fusion import class_logits, with_no_object
from methods.simseg.model import SimSeg

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "SimSeg"
CASES = sorted(path.name for path in GOLDEN.glob("*") if path.is_dir())
TOLERANCE = 1e-4  # largest difference over the largest expected magnitude
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

    def batch(self, simseg: SimSeg, index: int) -> ImageBatch:
        batch = prepare([self.inputs[f"image{index}"]], simseg.input_spec)
        assert np.array_equal(batch.pixels[0].numpy().transpose(1, 2, 0), self.inputs[f"resized{index}"])
        return batch

    @property
    def vocabulary(self) -> Vocabulary:
        names = tuple(str(name) for name in self.inputs["classes"])
        return Vocabulary(names, tuple(bool(flag) for flag in self.config["trainable_flag"]))


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
def segmenter(name: str) -> SimSeg:
    tensors = read_tensors(case(name).folder / "state_dict.pth")
    simseg: SimSeg = load(tensors, **case(name).keywords).eval()
    return simseg


def everything(simseg: SimSeg, given: Case) -> dict[str, Tensor]:
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
    given = case(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    parity_ledger.compare("SimSeg", name, found, given.expected, TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_the_same_proposals_are_kept_in_the_same_order(name: str) -> None:
    simseg, given = segmenter(name), case(name)
    kept = []
    for index in range(given.images):
        masks = torch.from_numpy(given.expected[f"mask_logits_lowres{index}"])
        crops = simseg.cut(given.batch(simseg, index), masks, 0)
        assert crops.kept.tolist() == np.flatnonzero(given.expected[f"valid_flag{index}"]).tolist()
        kept.append(len(crops.kept))
    assert min(kept) < simseg.size.proposals.queries, "no case with an empty proposal"


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    simseg, given = segmenter(name), case(name)
    with torch.no_grad():
        text = simseg.encode_vocabulary(given.vocabulary)
        for index in range(given.images):
            labels = label_maps(simseg.segment(given.batch(simseg, index), text))[0]
            parity_ledger.compare_labels(
                "SimSeg", name, f"sem_seg{index}", labels, given.expected[f"sem_seg{index}"], TOLERANCE
            )


@pytest.mark.parametrize("name", CASES)
def test_the_dead_branch_of_the_last_block_changes_nothing(name: str) -> None:
    given = case(name)
    tensors = read_tensors(given.folder / "state_dict.pth")
    whole = load(tensors, **given.keywords, whole_last_block=True).eval()
    crops = whole.cut(given.batch(whole, 0), torch.from_numpy(given.expected["mask_logits_lowres0"]), 0)
    torch.testing.assert_close(whole.encode(crops), segmenter(name).encode(crops), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_parameter_counts_are_the_cases(name: str) -> None:
    """CLIP's own temperature, one number, is the only parameter that we do not hold."""
    simseg, config = segmenter(name), case(name).config
    assert sum(p.numel() for p in simseg.parameters()) + 1 == config["params_total"]
    assert sum(p.numel() for p in simseg.parameters() if p.requires_grad) == config["params_requires_grad"]


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    names = {line.split("\t")[0] for line in (case(name).folder / "keys.txt").read_text().splitlines()}
    conversion = segmenter(name).conversion
    assert conversion is not None
    assert names == set(conversion.used) | set(conversion.ignored)
    assert not set(conversion.used) & set(conversion.ignored)
    assert set(conversion.ignored) == {
        "criterion.empty_weight",
        "clip_adapter.clip_model.logit_scale",
        "clip_adapter.pixel_mean",
        "clip_adapter.pixel_std",
    }


@pytest.mark.parametrize("name", CASES)
def test_the_older_names_of_the_pixel_decoder_load_to_the_same_segmenter(name: str) -> None:
    tensors = read_tensors(case(name).folder / "state_dict.pth")
    older = {key.replace("sem_seg_head.pixel_decoder.", "sem_seg_head."): t for key, t in tensors.items()}
    assert older.keys() != tensors.keys()
    simseg = load(older, **case(name).keywords)
    ours, theirs = segmenter(name).state_dict(), simseg.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert simseg.conversion is not None
    assert set(simseg.conversion.used) | set(simseg.conversion.ignored) == set(older)
