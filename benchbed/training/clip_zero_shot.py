"""Zero-shot classification of single objects of the val split: what the CLIP of `shapes` is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from benchbed.datasets.shapes import CLASSES, SHAPES, UNSEEN, object_crop
from benchbed.training.clip_batches import stacked
from benchbed.training.clip_prompts import PROMPT

# 50 crops of each class: of 1,000 at 90 % right the standard error is 0.9 points, of the 250 unseen ones 1.9.
CROPS: Final = 1000
CHUNK: Final = 100  # crops a pass


class EncodesBoth(Protocol):
    """A CLIP that turns sentences into tokens itself."""

    def tokens(self, captions: Sequence[str]) -> Tensor:
        """[N, L]."""

    def encode_text(self, text: Tensor, normalize: bool = False) -> Tensor:
        """[N, D]."""

    def encode_image(self, image: Tensor, normalize: bool = False) -> Tensor:
        """[N, D]."""


@dataclass(frozen=True)
class ZeroShot:
    """Top-1 accuracies in percent.

    Attributes:
        top1: of all crops.
        unseen: of the crops of the 5 unseen classes, for which all 20 names still compete.
        texture, shape: how often the answer's texture, or shape, is right.
        by_class: of each class's crops.
        crops: how many there were.
    """

    top1: float
    unseen: float
    texture: float
    shape: float
    by_class: dict[str, float]
    crops: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, and the prompt."""
        return {**asdict(self), "prompt": PROMPT}


class ZeroShotTest:
    """Crops of the val split, drawn once.

    Args:
        crops: how many; a multiple of 20 holds each class equally often.
    """

    def __init__(self, crops: int = CROPS) -> None:
        self.crops = crops

    @cached_property
    def _drawn(self) -> tuple[list[Any], torch.Tensor]:
        drawn = [object_crop(index, "val") for index in range(self.crops)]
        return [each.image for each in drawn], torch.tensor([each.instances[0].class_id for each in drawn])

    @torch.no_grad()
    def measure(
        self, clip: EncodesBoth, side: int, device: torch.device, crops: int | None = None
    ) -> ZeroShot:
        """Classify crops by the class names in `PROMPT`, in float32.

        Args:
            clip: in evaluation mode.
            side: pixels a side that it sees.
            device: where it is.
            crops: only the first so many.
        """
        images, labels = self._drawn
        images, labels = images[:crops], labels[:crops]
        names = clip.encode_text(clip.tokens([PROMPT.format(name) for name in CLASSES]), normalize=True)
        answers = [
            (
                clip.encode_image(stacked(images[first : first + CHUNK], side).to(device), normalize=True)
                @ names.T
            )
            .argmax(1)
            .cpu()
            for first in range(0, len(images), CHUNK)
        ]
        return judged(torch.cat(answers).numpy(), labels.numpy())


def judged(answers: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> ZeroShot:
    """Accuracies of answers [N] against labels [N], both class ids 0 .. 19."""
    right = answers == labels
    kinds = len(SHAPES)  # a class's id is texture * kinds + shape
    by_class = {name: _percent(right[labels == number]) for number, name in enumerate(CLASSES)}
    return ZeroShot(
        top1=_percent(right),
        unseen=_percent(right[np.isin(labels, UNSEEN)]),
        texture=_percent(answers // kinds == labels // kinds),
        shape=_percent(answers % kinds == labels % kinds),
        by_class=by_class,
        crops=len(labels),
    )


def _percent(right: np.ndarray[Any, Any]) -> float:
    """Of none there is no share: 0, as of none right."""
    return round(100 * float(right.mean()), 2) if len(right) else 0.0
