"""CLIP's normalisation and the eight ways to turn a picture, as the small CLIP's three stages share them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from benchbed.input_spec import CLIP_MEAN, CLIP_STD

MEAN: Final = torch.tensor(CLIP_MEAN).view(3, 1, 1)
STD: Final = torch.tensor(CLIP_STD).view(3, 1, 1)


def turned_layers(layers: Tensor, kind: int) -> Tensor:
    """[C, H, W] by `kind` % 4 quarter turns, and mirrored from 4 on: `shapes` has no up."""
    layers = torch.rot90(layers, kind % 4, (1, 2))
    return layers.flip(2) if kind >= 4 else layers
