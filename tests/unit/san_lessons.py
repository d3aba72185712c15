"""SAN/tiny in one of its stages, with scenes and words to train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchbed.datasets.shapes import DATASET, scene
from benchbed.images import ImageBatch, prepare
from benchbed.input_spec import InputSpec
from benchbed.segmenter import TextFeatures
from benchbed.training.seen_labels import seen_only, seen_table
from methods.san import METHOD
from methods.san.model import SAN, build
from methods.san.recipe import recipe

TINY = next(variant for variant in METHOD.variants if variant.embedded)
SEEN = DATASET.vocabulary().seen_only()
MASKS, STAGE = recipe("tiny", "shapes").stages


def tiny(
    seed: int = 0, choices: Mapping[str, Any] | None = None, stage: str = STAGE.name, **changes: Any
) -> SAN:
    torch.manual_seed(seed)
    san: SAN = build(**{**TINY.config, **changes}).train()
    return san.begin_stage(stage, **(STAGE.choices if choices is None else choices))


def scenes(spec: InputSpec, count: int = 2) -> tuple[ImageBatch, Tensor]:
    """Training scenes and their labels as the data room hands them on."""
    drawn = [scene(index, "train") for index in range(count)]
    images = prepare([each.image for each in drawn], spec)
    labels = torch.full((count, *images.tensor.shape[2:]), 255)
    for row, each in zip(labels, drawn, strict=True):
        height, width = each.labels.shape
        row[:height, :width] = torch.from_numpy(
            seen_only(each.labels, seen_table(DATASET.seen)).astype(np.int64)
        )
    return images, labels


def losses_alone(choices: Mapping[str, Any]) -> dict[str, Any]:
    """What `CriterionSettings` takes."""
    others = ("supervised", "positions", "bias_weight")
    return {name: value for name, value in choices.items() if name not in others}


def random_text(san: SAN, count: int = len(SEEN)) -> TextFeatures:
    rows = torch.randn(count, san.size.clip.embed_dim, generator=torch.Generator().manual_seed(5))
    return TextFeatures(torch.nn.functional.normalize(rows, dim=-1))
