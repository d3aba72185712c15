"""A backbone's first lessons, where no file of a pretrained one is at hand: pictures of one thing each, then scenes.

Every method of this field starts from a backbone that has learned to see on ImageNet. `shapes` has no ImageNet, so its recipes
begin with a few minutes of naming seen classes under a classifier that is drawn once and never learns: nothing but the backbone
is trained, and nothing is left to be thrown away.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.input_spec import InputSpec
from benchbed.training.seen_labels import IGNORED

GRID: Final = 4  # pixels between the places of a scene that are named


@runtime_checkable
class SeesPictures(Protocol):
    """A segmenter whose backbone can be taught by itself."""

    def picture_features(self, images: Tensor) -> Tensor:
        """The backbone's last features [B, C, h, w] of images [B, 3, H, W], normalised as the segmenter's input is."""


def picture_loss(
    segmenter: SeesPictures, spec: InputSpec, images: Tensor, labels: Tensor, classes: int
) -> dict[str, Tensor]:
    """Cross-entropy of each picture's class, by the mean of its features.

    Args:
        segmenter: in training.
        spec: its mean and std.
        images: [B, 3, S, S], RGB 0..255.
        labels: [B] int64, 0..S-1.
        classes: S.
    """
    mean, std = (images.new_tensor(each).view(3, 1, 1) for each in (spec.mean, spec.std))
    features = segmenter.picture_features((images - mean) / std).float().mean((2, 3))
    logits = features @ _classifier(classes, features.shape[1]).to(features.device).T
    return {"loss_picture": F.cross_entropy(logits, labels)}


def scene_loss(segmenter: SeesPictures, images: Tensor, labels: Tensor, classes: int) -> dict[str, Tensor]:
    """Cross-entropy of the seen class at every fourth pixel of a scene, each way, by features enlarged to that grid.

    Args:
        segmenter: in training.
        images: [B, 3, H, W], normalised.
        labels: [B, H, W] int64; 255 is ignored. A batch of ignored pixels alone costs nothing.
        classes: S.
    """
    features = segmenter.picture_features(images).float()
    classifier = _classifier(classes, features.shape[1]).to(features.device)
    logits = torch.einsum("bchw,kc->bkhw", features, classifier)
    wanted = labels[:, GRID // 2 :: GRID, GRID // 2 :: GRID]
    enlarged = F.interpolate(logits, wanted.shape[1:], mode="bilinear", align_corners=False)
    total = F.cross_entropy(enlarged, wanted, ignore_index=IGNORED, reduction="sum")
    return {"loss_places": total / (wanted != IGNORED).sum().clamp_min(1)}


@lru_cache(maxsize=4)
def _classifier(classes: int, width: int) -> Tensor:
    """[classes, width], the same everywhere and always."""
    generator = torch.Generator().manual_seed(0)
    drawn: Tensor = torch.randn(classes, width, generator=generator) * width**-0.5
    return drawn
