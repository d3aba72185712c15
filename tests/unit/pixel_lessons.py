"""Lessons for the pixel-level methods: scenes as the data room hands them on, and a few steps of a recipe's own optimiser."""

from __future__ import annotations

import torch
from scene_lessons import SEEN, scenes
from torch import Tensor

from benchbed.datasets.shapes import DATASET
from benchbed.segmenter import Segmenter
from benchbed.training.optimisers import make_optimiser
from benchbed.training.recipe import Stage

ALL = DATASET.vocabulary()


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
