"""DeOP against numbers made by the official code (shared/golden/DeOP): every stored array."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from golden import Case, cases, check_arrays, check_class_maps, check_conversion, needs_golden
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed.images import ImageBatch
from benchbed.scores import MaskScores, full_scores
from benchbed.segmenter import TextFeatures
from methods.deop.clip_pass import severed_block, token_cover
from methods.deop.model import DeOP

CASES = cases("DeOP")
pytestmark = needs_golden("DeOP")


class DeopCase(Case):
    method = "DeOP"

    @property
    def keywords(self) -> dict[str, Any]:
        """What shapes cannot tell."""
        return {
            "layers_mask_guided": self.config["layers_mask_guided"],
            "multi_grid": self.config["backbone"]["res5_multi_grid"],
            "heads": self.config["mask_former"]["nheads"],
            "heatmap_heads": self.config["classify_decoder"]["nhead"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }


@cache
def segmenter(name: str) -> DeOP:
    return cast(DeOP, DeopCase.read(name).load())


def everything(deop: DeOP, given: DeopCase) -> dict[str, Tensor]:
    """Our value for every array that an `expected.npz` may hold, by its name there."""
    text = deop.encode_vocabulary(given.vocabulary)
    found = {"text_embeddings": text.embeddings, "text_embeddings_with_noobj": deop.classifier(text)}
    for index in range(given.images):
        batch = given.batch(deop, index)
        scores = deop.segment(batch, text)
        found[f"input{index}"] = batch.tensor
        found |= {f"backbone_{name}_{index}": value for name, value in deop.backbone(batch.tensor).items()}
        found |= clip_part(deop, batch, scores.mask_logits, index)
        found |= class_part(deop, batch, text, scores, index)
    return found


def clip_part(deop: DeOP, batch: ImageBatch, masks: Tensor, index: int) -> dict[str, Tensor]:
    """Tokens around the severed block, CLS included, which `forward` drops before it."""
    tokens, grid = deop.visual.embed(batch.tensor)
    cover = token_cover(masks, grid)
    for block in range(deop.visual.unsevered):
        tokens = deop.visual.run_block(block, tokens, grid, cover)
    last = severed_block(deop.visual.transformer.resblocks[-1], tokens, cover)
    return {
        f"clip_layer_before_mask{index}": tokens.transpose(0, 1),
        f"clip_layer_last{index}": last.transpose(0, 1),
        f"clip_grid_features{index}": deop.visual(batch.tensor, masks),
    }


def class_part(
    deop: DeOP, batch: ImageBatch, text: TextFeatures, scores: MaskScores, index: int
) -> dict[str, Tensor]:
    patches = deop.visual(batch.tensor, scores.mask_logits)
    anchors = deop.decoder(patches, scores.mask_logits, deop.query_embedding.weight)
    height, width = batch.geometry[0].valid
    masks = F.interpolate(scores.mask_logits, batch.geometry[0].padded, mode="bilinear").sigmoid()
    return {
        f"mask_logits_lowres{index}": scores.mask_logits,
        f"proposal_features{index}": anchors.transpose(0, 1),
        f"class_logits{index}": deop.class_logits(anchors, text),
        f"sem_seg_net_res{index}": torch.einsum(
            "qk,qhw->khw", scores.class_scores[0], masks[0, :, :height, :width]
        ),
        f"sem_seg{index}": full_scores(scores, 0),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = DeopCase.read(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    check_arrays(given, found, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    deop, given = segmenter(name), DeopCase.read(name)
    with torch.no_grad():
        check_class_maps(given, deop, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_parameter_counts_are_the_cases(name: str) -> None:
    deop, config = segmenter(name), DeopCase.read(name).config
    logit_scale = 1  # a parameter of the official CLIP that DeOP never reads; the one that we do not keep
    assert sum(p.numel() for p in deop.parameters()) + logit_scale == config["params_total"]
    assert sum(p.numel() for p in deop.parameters() if p.requires_grad) == config["params_requires_grad"]


@pytest.mark.parametrize("name", CASES)
def test_sizes_are_the_cases(name: str) -> None:
    size, config = segmenter(name).size, DeopCase.read(name).config
    clip, former, backbone = config["clip"], config["mask_former"], config["backbone"]
    assert (size.clip.width, size.clip.layers, size.clip.patch) == (
        clip["width"],
        clip["layers"],
        clip["patch"],
    )
    assert size.backbone.blocks == (3, 4, 23, 3)
    assert size.backbone.stem == backbone["stem_type"]
    assert (size.backbone.stem_channels, size.backbone.group_channels) == (
        backbone["stem_out"],
        backbone["width_per_group"],
    )
    assert (size.proposals.layers, size.proposals.queries) == (former["dec_layers"], former["num_queries"])
    assert list(size.position_layers) == config["position_layers"]
    assert size.position_grid == config["learn_position_res"] // clip["patch"]
    assert size.context_vectors == config["prompt"]["shape"][0]


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    ignored = {"criterion.empty_weight", "clip_adapter.clip_model.logit_scale"}
    check_conversion(DeopCase.read(name), segmenter(name).conversion, ignored)
