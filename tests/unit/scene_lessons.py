"""Training scenes as the data room hands them on, for whatever learns from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchbed.datasets.shapes import DATASET, scene
from benchbed.images import ImageBatch, prepare
from benchbed.segmenter import Segmenter
from benchbed.training.seen_labels import seen_only, seen_table

SEEN = DATASET.vocabulary().seen_only()


def scenes(segmenter: Segmenter, count: int = 2) -> tuple[ImageBatch, Tensor]:
    """The first training scenes and their labels, 0..14 for seen classes and 255 for all else."""
    drawn = [scene(index, "train") for index in range(count)]
    images = prepare([each.image for each in drawn], segmenter.input_spec)
    labels = torch.full((count, *images.tensor.shape[2:]), 255)
    table = seen_table(DATASET.seen)
    for row, each in zip(labels, drawn, strict=True):
        height, width = each.labels.shape
        row[:height, :width] = torch.from_numpy(seen_only(each.labels, table).astype(np.int64))
    return images, labels
