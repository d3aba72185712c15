"""DeOP against numbers made by the official code (shared/golden/DeOP): every stored array."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed import load_method
from benchbed.checkpoints import read_tensors
from benchbed.images import ImageBatch, prepare
from benchbed.scores import MaskScores, full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.deop.checkpoint import load
from methods.deop.clip_pass import severed_block, token_cover
from methods.deop.model import DeOP

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "DeOP"
CASES = sorted(path.name for path in GOLDEN.glob("*") if path.is_dir())
TOLERANCE = 1e-4  # largest difference over the largest expected magnitude
needs_golden = pytest.mark.skipif(not CASES, reason=f"no golden cases: {GOLDEN} is not on this machine")


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
        """What shapes cannot tell."""
        return {
            "layers_mask_guided": self.config["layers_mask_guided"],
            "multi_grid": self.config["backbone"]["res5_multi_grid"],
            "heads": self.config["mask_former"]["nheads"],
            "heatmap_heads": self.config["classify_decoder"]["nhead"],
            "short_side": self.config["resize"]["min_size"],
            "longest_side": self.config["resize"]["max_size"],
        }

    def batch(self, deop: DeOP, index: int) -> ImageBatch:
        batch = prepare([self.inputs[f"image{index}"]], deop.input_spec)
        resized = self.inputs[f"resized{index}"]
        assert np.array_equal(batch.pixels[0].numpy().transpose(1, 2, 0), resized)
        return batch

    @property
    def vocabulary(self) -> Vocabulary:
        names = tuple(str(name) for name in self.inputs["classes"])
        return Vocabulary(names, (True,) * len(names))


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
def segmenter(name: str) -> DeOP:
    """Through the entry point where the distribution is installed, else through the loader it names."""
    path, keywords = case(name).folder / "state_dict.pth", case(name).keywords
    if any(point.name == "deop" for point in entry_points(group="benchbed.methods")):
        return cast(DeOP, load_method("deop", checkpoint=path, **keywords))
    return cast(DeOP, load(read_tensors(path), **keywords).eval())


def everything(deop: DeOP, given: Case) -> dict[str, Tensor]:
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


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = case(name)
    with torch.no_grad():
        found = everything(segmenter(name), given)
    parity_ledger.compare("DeOP", name, found, given.expected, TOLERANCE)


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    deop, given = segmenter(name), case(name)
    with torch.no_grad():
        text = deop.encode_vocabulary(given.vocabulary)
        for index in range(given.images):
            labels = label_maps(deop.segment(given.batch(deop, index), text))[0]
            parity_ledger.compare_labels(
                "DeOP", name, f"sem_seg{index}", labels, given.expected[f"sem_seg{index}"], TOLERANCE
            )


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_parameter_counts_are_the_cases(name: str) -> None:
    deop, config = segmenter(name), case(name).config
    logit_scale = 1  # a parameter of the official CLIP that DeOP never reads; the one that we do not keep
    assert sum(p.numel() for p in deop.parameters()) + logit_scale == config["params_total"]
    assert sum(p.numel() for p in deop.parameters() if p.requires_grad) == config["params_requires_grad"]


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_sizes_are_the_cases(name: str) -> None:
    size, config = segmenter(name).size, case(name).config
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


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_is_accounted_for(name: str) -> None:
    names = {line.split("\t")[0] for line in (case(name).folder / "keys.txt").read_text().splitlines()}
    conversion = segmenter(name).conversion
    assert conversion is not None
    assert names == set(conversion.used) | set(conversion.ignored)
    assert set(conversion.ignored) == {"criterion.empty_weight", "clip_adapter.clip_model.logit_scale"}
