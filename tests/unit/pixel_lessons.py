"""Lessons for the pixel-level methods: scenes as the data room hands them on, and a few steps of a recipe's own optimiser."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchbed.datasets.shapes import DATASET, scene
from benchbed.images import ImageBatch, prepare
from benchbed.segmenter import Segmenter
from benchbed.training.optimisers import make_optimiser
from benchbed.training.recipe import Stage
from benchbed.training.seen_labels import seen_only, seen_table

ALL = DATASET.vocabulary()
SEEN = ALL.seen_only()


def scenes(segmenter: Segmenter, count: int = 2) -> tuple[ImageBatch, Tensor]:
    """Training scenes and their labels, 0..14 for seen classes and 255 for all else."""
    drawn = [scene(index, "train") for index in range(count)]
    images = prepare([each.image for each in drawn], segmenter.input_spec)
    labels = torch.full((count, *images.tensor.shape[2:]), 255)
    for row, each in zip(labels, drawn, strict=True):
        height, width = each.labels.shape
        row[:height, :width] = torch.from_numpy(
            seen_only(each.labels, seen_table(DATASET.seen)).astype(np.int64)
        )
    return images, labels


def taught(segmenter: Segmenter, stage: Stage, steps: int) -> list[float]:
    """Sums of the losses before each of so many steps on one batch, at the recipe's full rate."""
    images, labels = scenes(segmenter)
    optimiser = make_optimiser(segmenter, stage.optimiser)
    totals = []
    for _ in range(steps):
        losses = segmenter.loss(images, labels, segmenter.text_for(SEEN))
        total = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        totals.append(total.item())
    return totals


def changed(before: dict[str, Tensor], segmenter: Segmenter) -> set[str]:
    """Names of what is not as it was."""
    return {name for name, value in segmenter.state_dict().items() if not torch.equal(value, before[name])}


def copied(segmenter: Segmenter) -> dict[str, Tensor]:
    """All tensors as they are now."""
    return {name: value.clone() for name, value in segmenter.state_dict().items()}
