"""A small LSeg with weights that are not the initial ones, and images and words for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.lseg import METHOD
from methods.lseg.model import LSeg, build

TINY = METHOD.default_variant(embedded=True)


def tiny(**changes: Any) -> LSeg:
    torch.manual_seed(3)
    segmenter: LSeg = build(**{**TINY.config, **changes}).eval()
    with torch.no_grad():
        for name, tensor in segmenter.state_dict().items():
            if name.startswith(("decoder.", "regularise.", "reassemble.")) and tensor.is_floating_point():
                tensor.add_((torch.rand_like(tensor) - 0.5) * 0.1)
    return segmenter


def tiny_sweeping() -> LSeg:
    """The official evaluator at sizes of a few windows."""
    return tiny(evaluation="multi-scale", base_size=40, crop_size=64, scales=(0.5, 1.0, 2.5))


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def words(count: int, dim: int = 64) -> TextFeatures:
    generator = torch.Generator().manual_seed(count)
    return TextFeatures(torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1))


def vocabulary(*names: str) -> Vocabulary:
    return Vocabulary(names, (True,) * len(names))
