"""LSeg against numbers made by the official code (shared/golden/LSeg): every stored array, and its evaluator."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from open_clip import tokenize
from parity_ledger import ParityLedger
from torch import Tensor

from benchbed import load_method
from benchbed.checkpoints import read_tensors
from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.lseg.checkpoint import load
from methods.lseg.model import LSeg

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "LSeg"
CASES = sorted(path.name for path in GOLDEN.glob("*") if path.is_dir())
TOLERANCE = 1e-4  # largest difference over the largest expected magnitude
needs_golden = pytest.mark.skipif(not CASES, reason=f"no golden cases: {GOLDEN} is not on this machine")
REGULARISATIONS = ("none", "bottleneck", "depthwise")


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

    @property
    def vocabulary(self) -> Vocabulary:
        names = tuple(str(name) for name in self.inputs["classes"])
        return Vocabulary(names, (True,) * len(names))

    def batch(self, lseg: LSeg, name: str) -> ImageBatch:
        """As it is, since the case feeds images unresized."""
        image = self.inputs[name]
        return prepare([image], lseg.input_spec, originals=[image.shape[:2]])


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
def segmenter(name: str, evaluation: str = "whole") -> LSeg:
    """Through the entry point where the distribution is installed, else through the loader it names."""
    path, keywords = case(name).folder / "state_dict.pth", case(name).keywords | {"evaluation": evaluation}
    if any(point.name == "lseg" for point in entry_points(group="benchbed.methods")):
        found: LSeg = load_method("lseg", checkpoint=path, **keywords)  # type: ignore[assignment]
    else:
        found = load(read_tensors(path), **keywords).eval()
    return found


def everything(name: str) -> dict[str, Tensor]:
    """Our value for every array that `expected.npz` may hold, by its name there."""
    lseg, sweeping, given = segmenter(name), segmenter(name, "multi-scale"), case(name)
    text = lseg.encode_vocabulary(given.vocabulary)
    found = {"text_embeddings": text.embeddings, "text_embeddings_raw": not_normalised(lseg, given)}
    for index in range(given.images):
        found |= image_part(lseg, given.batch(lseg, f"image{index}"), text, index)
    scores = sweeping.segment(given.batch(sweeping, "eval_image"), text)
    return found | {"multieval_scores": full_scores(scores, 0)}


def not_normalised(lseg: LSeg, given: Case) -> Tensor:
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


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_every_expected_array_agrees(name: str, parity_ledger: ParityLedger) -> None:
    given = case(name)
    with torch.no_grad():
        found = everything(name)
    parity_ledger.compare("LSeg", name, found, given.expected, TOLERANCE)


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_class_maps_are_equal_but_for_float_ties(name: str, parity_ledger: ParityLedger) -> None:
    given = case(name)
    with torch.no_grad():
        text = segmenter(name).encode_vocabulary(given.vocabulary)
        for evaluation, image, key in (
            *(("whole", f"image{index}", f"sem_seg{index}") for index in range(given.images)),
            ("multi-scale", "eval_image", "multieval_scores"),
        ):
            lseg = segmenter(name, evaluation)
            labels = label_maps(lseg.segment(given.batch(lseg, image), text))[0]
            parity_ledger.compare_labels("LSeg", name, key, labels, given.expected[key], TOLERANCE)


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_the_case_is_what_the_room_assumes(name: str) -> None:
    config, lseg = case(name).config, segmenter(name)
    assert config["readout"] == "project"
    assert config["use_bn"]
    assert config["out_c"] == lseg.size.text.embed_dim
    assert [127.5 / 255] * 3 == config["pixel_mean"] == config["pixel_std"]
    assert lseg.input_spec.mean == lseg.input_spec.std == (127.5,) * 3


@needs_golden
@pytest.mark.parametrize("name", CASES)
def test_every_official_tensor_and_parameter_is_accounted_for(name: str) -> None:
    lines = [line.split("\t") for line in (case(name).folder / "keys.txt").read_text().splitlines()]
    lseg = segmenter(name)
    assert lseg.conversion is not None
    used, ignored = set(lseg.conversion.used), set(lseg.conversion.ignored)
    assert {line[0] for line in lines} == used | ignored
    assert not used & ignored
    unrun = (
        r"net\.clip_pretrained\.(visual\.|logit_scale$)",
        r"net\.pretrained\.model\.(norm|head)\.",
        r"net\.scratch\.refinenet4\.resConfUnit1\.",
    )
    assert ignored == {line[0] for line in lines if any(re.match(pattern, line[0]) for pattern in unrun)}
    statistics = re.compile(r"running_(mean|var)$|num_batches_tracked$")
    sizes = {line[0]: int(np.prod(json.loads(f"[{line[1].strip('(),')}]"))) for line in lines}
    official = {key: size for key, size in sizes.items() if not statistics.search(key)}
    assert sum(official.values()) == case(name).config["params_total"]
    ours = sum(parameter.numel() for parameter in lseg.parameters())
    assert ours == sum(size for key, size in official.items() if key in used)
