"""Seen, unseen and harmonic mIoU while training goes on: the bench's own inference and counts on the first images of val."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from benchbed.datasets.dataset import Dataset
from benchbed.inference import Inference
from benchbed.metrics import Counts, ImageCounts, accuracy, count_image
from benchbed.segmenter import Segmenter
from benchbed.training.seeds import generators_kept
from benchbed.vocabulary import Vocabulary

ABSENT_RULE = "union"  # `benchbed.protocol.Protocol.absent_rule`


@dataclass(frozen=True)
class Validation:
    """What to validate on.

    Attributes:
        dataset: the evaluation split.
        vocabulary: all its classes, in the method's spelling.
        images: how many, from the first one on.
        every: iterations.
    """

    dataset: Dataset
    vocabulary: Vocabulary
    images: int
    every: int

    def measure(self, segmenter: Segmenter, device: torch.device) -> dict[str, float | int | None]:
        """`seen`, `unseen`, `hiou` in percent (None: no such class there) and `images`; the segmenter's mode is put back.

        Raises:
            DataError: an image or mask is bad.
            ScoresError: scores that no label map can be made of.
        """
        modes = [
            (module, module.training) for module in segmenter.modules()
        ]  # frozen parts may be in eval mode
        inference = Inference(segmenter.eval(), self.vocabulary, device)
        try:
            with generators_kept():
                rows = [self._count(inference, index) for index in range(self.images)]
        finally:
            for module, training in modes:
                module.training = training
            segmenter.forget_text()
        found = accuracy(Counts.from_images(rows), np.array(self.vocabulary.seen, dtype=bool), ABSENT_RULE)
        figures = {"seen": found.seen_miou, "unseen": found.unseen_miou, "hiou": found.hiou}
        return {**{name: _percent(value) for name, value in figures.items()}, "images": self.images}

    def _count(self, inference: Inference, index: int) -> ImageCounts:
        sample = self.dataset.sample(index)
        labels = inference.labels(sample.image).cpu().numpy()
        ignore = self.dataset.card.ignore
        return count_image(labels, sample.labels, len(self.vocabulary), ignore, image_id=sample.id)


def _percent(value: float) -> float | None:
    return None if value != value else 100 * value
