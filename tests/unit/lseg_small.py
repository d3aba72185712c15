"""A small LSeg with a ViT and weights that are not the initial ones, and images and words for it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary
from methods.lseg.model import LSeg, build

# Every idea of the released ViTs: patches of 8, so that a picture of 128 pixels has 256 tokens.
VIT: Final[dict[str, Any]] = {
    "encoder": "vit",
    "width": 96,
    "layers": 4,
    "heads": 3,
    "patch": 8,
    "table_image": 128,
    "hooks": (0, 1, 2, 3),
    "pyramid": (32, 48, 64, 64),
    "features": 48,
    "text": "tiny",
    "base_size": 128,
    "crop_size": 128,
    "short_side": 128,
    "longest_side": 256,
}


def tiny(**changes: Any) -> LSeg:
    torch.manual_seed(3)
    segmenter: LSeg = build(**{**VIT, **changes}).eval()
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
