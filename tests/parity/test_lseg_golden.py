"""LSeg against numbers made by the official code (shared/golden/LSeg): every stored array, and its evaluator."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch
from golden import Case, cases, check_arrays, check_conversion, check_labels, needs_golden
from open_clip import tokenize
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores
from benchbed.segmenter import TextFeatures
from methods.lseg.model import LSeg

CASES = cases("LSeg")
pytestmark = needs_golden("LSeg")
REGULARISATIONS = ("none", "bottleneck", "depthwise")


class LsegCase(Case):
    method = "LSeg"

    @property
    def keywords(self) -> dict[str, Any]:
        """All sizes, those that shapes tell as well: the loader must find them in agreement."""
        vit, evaluator = self.config["vit"], self.config["multieval"]
        return {
            "encoder": "vit",
            "width": vit["embed_dim"],
            "layers": vit["depth"],
            "heads": vit["num_heads"],
            "patch": vit["patch_size"],
            "table_image": vit["img_size"],
            "hooks": self.config["hooks"],
            "pyramid": self.config["reassemble_channels"],
            "features": self.config["features"],
            "regularisation": REGULARISATIONS[self.config["arch_option"]],
            "depth": self.config["block_depth"],
            "activation": self.config["activation"],
            "base_size": evaluator["base_size"],
            "crop_size": evaluator["crop_size"],
            "scales": evaluator["scales"],
            "flip": evaluator["flip"],
        }

    def picture(self, lseg: LSeg, name: str) -> ImageBatch:
        """As it is, since the case feeds images unresized."""
        image = self.inputs[name]
        return prepare([image], lseg.input_spec, originals=[image.shape[:2]])


@cache
def segmenter(name: str, evaluation: str = "whole") -> LSeg:
    return cast(LSeg, LsegCase.read(name).load(evaluation=evaluation))


def everything(name: str) -> dict[str, Tensor]:
    """Our value for every array that `expected.npz` may hold, by its name there."""
    lseg, sweeping, given = segmenter(name), segmenter(name, "multi-scale"), LsegCase.read(name)
    text = lseg.encode_vocabulary(given.vocabulary)
    found = {"text_embeddings": text.embeddings, "text_embeddings_raw": not_normalised(lseg, given)}
    for index in range(given.images):
        found |= image_part(lseg, given.picture(lseg, f"image{index}"), text, index)
    scores = sweeping.segment(given.picture(sweeping, "eval_image"), text)
    return found | {"multieval_scores": full_scores(scores, 0)}


def not_normalised(lseg: LSeg, given: LsegCase) -> Tensor:
    tokens = tokenize(list(given.vocabulary.prompts), context_length=lseg.text.size.context)
    return lseg.text.encode_embeddings(lseg.text.token_embedding(tokens), tokens.argmax(-1))


def image_part(lseg: LSeg, batch: ImageBatch, text: TextFeatures, index: int) -> dict[str, Tensor]:
    tokens, _ = lseg.encoder(batch.tensor)
    levels = lseg.levels(batch.tensor)
    paths = lseg.decoder.paths(levels)
    found = {f"vit_hook{level}_{index}": each for level, each in enumerate(tokens, start=1)}
    return found | {
        f"path4_{index}": paths[3],
        f"path1_stride4_{index}": paths[0][:, :, ::4, ::4],
        f"pixel_features_stride4_{index}": lseg.decoder(levels)[:, :, ::4, ::4],
        f"sem_seg{index}": full_scores(lseg.segment(batch, text), 0),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = LsegCase.read(name)
    with torch.no_grad():
        found = everything(name)
    check_arrays(given, found, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    given = LsegCase.read(name)
    with torch.no_grad():
        text = segmenter(name).encode_vocabulary(given.vocabulary)
        for evaluation, image, key in (
            *(("whole", f"image{index}", f"sem_seg{index}") for index in range(given.images)),
            ("multi-scale", "eval_image", "multieval_scores"),
        ):
            lseg = segmenter(name, evaluation)
            check_labels(given, lseg, given.picture(lseg, image), text, key, parity_ledger)


@pytest.mark.parametrize("name", CASES)
def test_the_case_is_what_the_room_assumes(name: str) -> None:
    config, lseg = LsegCase.read(name).config, segmenter(name)
    assert config["readout"] == "project"
    assert config["use_bn"]
    assert config["out_c"] == lseg.size.text.embed_dim
    assert [127.5 / 255] * 3 == config["pixel_mean"] == config["pixel_std"]
    assert lseg.input_spec.mean == lseg.input_spec.std == (127.5,) * 3


@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_and_parameter_is_accounted_for(name: str) -> None:
    shapes = dict(LsegCase.read(name).official_keys)
    lseg = segmenter(name)
    unrun = (
        r"net\.clip_pretrained\.(visual\.|logit_scale$)",
        r"net\.pretrained\.model\.(norm|head)\.",
        r"net\.scratch\.refinenet4\.resConfUnit1\.",
    )
    ignored = {key for key in shapes if any(re.match(pattern, key) for pattern in unrun)}
    check_conversion(LsegCase.read(name), lseg.conversion, ignored)
    statistics = re.compile(r"running_(mean|var)$|num_batches_tracked$")
    sizes = {key: int(np.prod(json.loads(f"[{shape.strip('(),')}]"))) for key, shape in shapes.items()}
    official = {key: size for key, size in sizes.items() if not statistics.search(key)}
    assert sum(official.values()) == LsegCase.read(name).config["params_total"]
    ours = sum(parameter.numel() for parameter in lseg.parameters())
    assert ours == sum(size for key, size in official.items() if key not in ignored)
