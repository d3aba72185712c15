"""SAN against the plain reference in `san_plain.py`; needs nothing but this repository.

The case has what the released ViT-L/14 has and the golden case has not: a factor of 0.7, CLIP patches of 14 pixels that do
not fill the image, a fusion map with gaps. `data/san_small.npz` pins the reference's own results against drift; make it
anew with `python tests/parity/test_san_small.py`.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from san_plain import (
    CLIP_HEADS,
    CLIP_PATCH,
    CLIP_TABLE,
    CLIP_WIDTH,
    DEEP,
    EMBED,
    FACTOR,
    FUSION,
    HIDDEN,
    MASK_WIDTH,
    NAMES,
    QUERIES,
    SHALLOW,
    SIDE_BLOCKS,
    SIDE_HEADS,
    SIDE_PATCH,
    SIDE_TABLE,
    SIDE_WIDTH,
    SIZES,
    SPEC,
    TEXT_LAYERS,
    TEXT_WIDTH,
    W,
    reference_clip,
    reference_probabilities,
    reference_proposals,
    reference_scores,
    reference_text,
)
from torch import Tensor

from benchbed.images import ImageBatch, prepare
from benchbed.scores import full_scores, label_maps
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.san.checkpoint import load
from methods.san.model import SAN

PINS = Path(__file__).parent / "data" / "san_small.npz"
KEYWORDS: dict[str, Any] = {
    "side_heads": SIDE_HEADS,
    "fusion": tuple(FUSION.items()),
    "short_side": SPEC.short_side,
    "longest_side": SPEC.longest_side,
}


# With these the label maps of all three images hold several classes.
SEEDS = (2, 7)
GAINS = {"query_embed": 10.0, "attn_mlp.layers": 1.5}


# Weights: official names, uniform numbers of unit variance from one seeded stream.


def shapes() -> dict[str, tuple[int, ...]]:
    side, vit = "side_adapter_network.", "side_adapter_network.vit_model."
    found: dict[str, tuple[int, ...]] = {
        f"{side}query_embed": (1, QUERIES, SIDE_WIDTH),
        f"{side}query_pos_embed": (1, QUERIES, SIDE_WIDTH),
        f"{vit}pos_embed": (1, SIDE_TABLE**2, SIDE_WIDTH),
        "clip_visual_extractor.class_embedding": (CLIP_WIDTH,),
        "clip_visual_extractor.positional_embedding": (CLIP_TABLE**2 + 1, CLIP_WIDTH),
        "clip_visual_extractor.conv1.weight": (CLIP_WIDTH, 3, CLIP_PATCH, CLIP_PATCH),
        "clip_rec_head.proj": (CLIP_WIDTH, EMBED),
        "ov_classifier.token_embedding.weight": (49408, TEXT_WIDTH),
        "ov_classifier.positional_embedding": (77, TEXT_WIDTH),
        "ov_classifier.text_projection": (TEXT_WIDTH, EMBED),
        "ov_classifier.bg_embed": (1, EMBED),
        "ov_classifier.logit_scale": (),
        f"{vit}patch_embed.proj.weight": (SIDE_WIDTH, 3, SIDE_PATCH, SIDE_PATCH),
        f"{vit}patch_embed.proj.bias": (SIDE_WIDTH,),
    }
    for norm, width in (("clip_visual_extractor.ln_pre", CLIP_WIDTH), ("clip_rec_head.ln_post", CLIP_WIDTH)):
        found |= affine(norm, width)
    found |= affine("ov_classifier.ln_final", TEXT_WIDTH)
    for index in range(SIDE_BLOCKS):
        found |= block(
            f"{vit}blocks.{index}",
            SIDE_WIDTH,
            ("norm1", "norm2", "attn.qkv.", "attn.proj", "mlp.fc1", "mlp.fc2"),
        )
    for index in range(SHALLOW):
        found |= clip_block(f"clip_visual_extractor.resblocks.{index}", CLIP_WIDTH)
    for index in range(DEEP):
        found |= clip_block(f"clip_rec_head.resblocks.{index}", CLIP_WIDTH)
    for index in range(TEXT_LAYERS):
        found |= clip_block(f"ov_classifier.transformer.resblocks.{index}", TEXT_WIDTH)
    for index in range(len(FUSION)):
        found |= affine(f"{side}fusion_layers.layer_{index}.input_proj.0", CLIP_WIDTH)
        found |= linear(f"{side}fusion_layers.layer_{index}.input_proj.1", SIDE_WIDTH, CLIP_WIDTH, (1, 1))
    for mlp, last, tail in (("query", 1, ()), ("pix", 1, (1, 1)), ("attn", CLIP_HEADS, (1, 1))):
        widths = (SIDE_WIDTH, HIDDEN, HIDDEN, MASK_WIDTH * last)
        for index in range(3):
            found |= linear(
                f"{side}mask_decoder.{mlp}_mlp.layers.{index}", widths[index + 1], widths[index], tail
            )
    return found | linear(f"{side}mask_decoder.bias_scaling", 1, 1)


def affine(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def linear(name: str, outputs: int, inputs: int, tail: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, *tail), f"{name}.bias": (outputs,)}


def block(name: str, width: int, parts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    norm1, norm2, qkv, proj, fc1, fc2 = parts
    return {
        **affine(f"{name}.{norm1}", width),
        **affine(f"{name}.{norm2}", width),
        f"{name}.{qkv}weight": (3 * width, width),
        f"{name}.{qkv}bias": (3 * width,),
        **linear(f"{name}.{proj}", width, width),
        **linear(f"{name}.{fc1}", 4 * width, width),
        **linear(f"{name}.{fc2}", width, 4 * width),
    }


def clip_block(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return block(name, width, ("ln_1", "ln_2", "attn.in_proj_", "attn.out_proj", "mlp.c_fc", "mlp.c_proj"))


def gain(name: str) -> float:
    """Enough spread among queries and words that masks and classes differ."""
    return next((value for part, value in GAINS.items() if part in name), 1.0)


@cache
def weights(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in sorted(shapes().items()):
        unit = (2 * torch.rand(shape, generator=generator) - 1) * math.sqrt(3)
        if "norm" in name or ".ln_" in name or ".input_proj.0." in name:
            made[name] = unit * 0.1 + name.endswith("weight")
        elif name.endswith("weight") and "embedding" not in name:
            made[name] = unit * gain(name) / math.sqrt(math.prod(shape[1:]))
        else:
            made[name] = unit * gain(name) * 0.3
    made["ov_classifier.logit_scale"] = torch.tensor(3.0)
    return made


# The tests.


def batch(index: int, seed: int) -> ImageBatch:
    """Blocks of random colour, so that patches, and with them masks, differ."""
    height, width = SIZES[index]
    colours = np.random.default_rng(seed).integers(
        0, 256, (-(-height // 20), -(-width // 20), 3), dtype=np.uint8
    )
    image = colours.repeat(20, 0).repeat(20, 1)[:height, :width]
    return prepare([image], SPEC, originals=[SIZES[index]] if index == 2 else None)


@cache
def pair(seed: int) -> tuple[SAN, W]:
    """Our segmenter and the reference's weights, of one seed."""
    w = {name: tensor.double() for name, tensor in weights(seed).items()}
    san: SAN = load(weights(seed), **KEYWORDS).eval()
    return san, w


def distinct_classes(embedded: Tensor) -> Tensor:
    """Class vectors [K, D] that tell the masks apart: what four of them have beyond the mean of all."""
    return torch.nn.functional.normalize((embedded - embedded.mean(0))[: 2 * len(NAMES) : 2], dim=-1)


def close(ours: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    assert ours.shape == expected.shape
    assert float((ours.double() - expected).abs().max()) < tolerance * float(expected.abs().max())


@pytest.mark.parametrize("seed", SEEDS)
def test_text_features(seed: int) -> None:
    san, w = pair(seed)
    with torch.no_grad():
        close(san.encode_vocabulary(Vocabulary(NAMES, (True,) * len(NAMES))).embeddings, reference_text(w))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("index", range(len(SIZES)))
def test_masks_names_and_scores(seed: int, index: int) -> None:
    (san, w), images = pair(seed), batch(index, seed)
    masks, embedded = reference_proposals(images, w)
    text = distinct_classes(embedded)
    probabilities = reference_probabilities(embedded, text, w)
    expected = reference_scores(masks, probabilities, images.geometry[0])
    with torch.no_grad():
        close(san.name(*san.propose(images.tensor))[0], embedded)
        scores = san.segment(images, TextFeatures(text.float()))
    close(scores.mask_logits[0], masks)
    close(scores.class_scores[0], probabilities)
    close(full_scores(scores, 0), expected)
    labels = label_maps(scores)[0].long()
    assert float((expected.amax(0) - expected.gather(0, labels[None])[0]).max()) < 1e-4
    assert len(labels.unique()) > 1  # else the case would show nothing


def test_the_case_meets_the_quirks_it_is_made_for() -> None:
    """Incomplete CLIP patches, a floored size, a table that fits by count alone."""
    grids = [
        reference_clip(batch(index, SEEDS[0]).tensor[0].double(), pair(SEEDS[0])[1])[1] for index in range(3)
    ]
    sizes = [tuple(batch(index, SEEDS[0]).tensor.shape[2:]) for index in range(3)]
    assert sizes == [(64, 96), (128, 64), (32, 128)]
    assert grids == [(3, 4), (6, 3), (1, 6)]
    assert all(math.floor(side * FACTOR) % CLIP_PATCH for size in sizes for side in size)
    assert sizes[2][0] * sizes[2][1] // SIDE_PATCH**2 == SIDE_TABLE**2


def pinned() -> dict[str, NDArray[np.float64]]:
    w = pair(SEEDS[0])[1]
    found = {"text": reference_text(w).numpy()}
    for index in range(len(SIZES)):
        images = batch(index, SEEDS[0])
        masks, embedded = reference_proposals(images, w)
        probabilities = reference_probabilities(embedded, distinct_classes(embedded), w)
        means = reference_scores(masks, probabilities, images.geometry[0]).mean((1, 2))
        found[f"masks{index}"], found[f"embeddings{index}"] = masks.numpy(), embedded.numpy()
        found[f"probabilities{index}"], found[f"score_means{index}"] = probabilities.numpy(), means.numpy()
    return found


def test_the_reference_has_not_drifted() -> None:
    stored = np.load(PINS)
    made = pinned()
    assert set(stored.files) == set(made)
    for name, value in made.items():
        np.testing.assert_allclose(value, stored[name], rtol=0, atol=1e-5 * np.abs(value).max(), err_msg=name)


if __name__ == "__main__":
    np.savez_compressed(PINS, **{name: value.astype(np.float32) for name, value in pinned().items()})  # type: ignore[arg-type]
