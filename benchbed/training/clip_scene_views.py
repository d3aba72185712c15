"""Scenes for the small CLIP's third stage: many small objects that hide each other, and the patches that each of them touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.datasets.shapes.random_stream import Stream
from benchbed.training.clip_collages import PATCH
from benchbed.training.clip_pixels import MEAN, STD, turned_layers
from benchbed.training.clip_pool import OutlinedScene
from benchbed.training.clip_recipe import ClipScenes

NOBODY: Final = -1  # the label of a region that only fills up a batch
MOST: Final = 6  # objects in a scene of `shapes`
_LEAST_PIXELS: Final = 60  # that an object shows, after resizing: about a patch


@dataclass(frozen=True)
class SceneViews:
    """One step's scenes.

    Attributes:
        images: [B, 3, S, S], normalised.
        regions: [B, 6, S / 8 * S / 8] bool, none empty.
        classes: [B * 6] int64, `NOBODY` for what only fills up.
        cover: [B, S / 8 * S / 8], how many masks cover a patch, as it were.
    """

    images: Tensor
    regions: Tensor
    classes: Tensor
    cover: Tensor


def scene_views(pool: Sequence[OutlinedScene], scenes: ClipScenes, stream: Stream) -> SceneViews:
    """Windows of `scenes.views` scenes, enlarged to one size, turned by chance, and the regions that their objects take."""
    side = stream.choice(scenes.sides)
    made = [_view(stream.choice(pool), side, scenes, stream.child("view", k)) for k in range(scenes.views)]
    return SceneViews(
        torch.stack([image for image, _, _ in made]),
        torch.stack([regions for _, regions, _ in made]),
        torch.tensor([k for _, _, classes in made for k in classes]),
        torch.stack([_cover(side // PATCH, scenes, stream.child("cover", k)) for k in range(scenes.views)]),
    )


def _view(
    scene: OutlinedScene, side: int, scenes: ClipScenes, stream: Stream
) -> tuple[Tensor, Tensor, list[int]]:
    layers = torch.from_numpy(np.dstack([scene.image, scene.ids]).transpose(2, 0, 1).copy()).float()[None]
    height, width = scene.ids.shape
    scale = side * stream.integer(100, 125) / 100 / min(height, width)
    size = [max(side, int(length * scale)) for length in (height, width)]
    image = F.interpolate(layers[:, :3], size, mode="bilinear", antialias=True)
    ids = F.interpolate(layers[:, 3:], size)  # nearest
    top, left = (stream.integer(0, length - side) for length in size)
    kind = stream.integer(0, 7)
    image, ids = (
        turned_layers(each[0, :, top : top + side, left : left + side], kind) for each in (image, ids)
    )
    regions, classes = _regions(scene, ids[0].long(), scale, scenes, stream.child("regions"))
    return (image - MEAN) / STD, regions, classes


def _regions(
    scene: OutlinedScene, ids: Tensor, scale: float, scenes: ClipScenes, stream: Stream
) -> tuple[Tensor, list[int]]:
    """[6, patches] and 6 classes: of each class's objects together, as a label map has them, or of each object."""
    whole = np.bincount(scene.ids.ravel(), minlength=len(scene.classes) + 1)[1:] * scale**2
    left = np.bincount(ids.flatten().numpy(), minlength=len(scene.classes) + 1)[1:]
    shown = [k for k in range(len(left)) if left[k] > max(_LEAST_PIXELS, scenes.least_left * whole[k])]
    groups: list[list[int]] = [[k] for k in shown]
    if stream.integer(0, 99) < 100 * scenes.by_class:
        kinds = sorted({scene.classes[k] for k in shown})
        groups = [[k for k in shown if scene.classes[k] == kind] for kind in kinds]
    regions = [
        _patches(torch.isin(ids, torch.tensor(group) + 1), scenes, stream.child("of", n))
        for n, group in enumerate(groups)
    ]
    classes = [scene.classes[group[0]] for group in groups]
    filler = regions[0] if regions else torch.ones(ids.numel() // PATCH**2, dtype=torch.bool)
    missing = MOST - len(regions)
    return torch.stack([*regions, *[filler] * missing]), [*classes, *[NOBODY] * missing]


def _cover(side: int, scenes: ClipScenes, stream: Stream) -> Tensor:
    """[side * side]: 1 everywhere, or a smooth field between two bounds."""
    if stream.integer(0, 99) >= 100 * scenes.covered:
        return torch.ones(side * side)
    least, most = (round(100 * bound) for bound in scenes.cover)
    coarse = torch.from_numpy(stream.integers(16, least, most)).float().view(1, 1, 4, 4) / 100
    return F.interpolate(coarse, (side, side), mode="bilinear", align_corners=True).flatten()


def _patches(mask: Tensor, scenes: ClipScenes, stream: Stream) -> Tensor:
    """The patches that a mask [S, S] touches, or fills by three tenths; its edge wrong by chance, as a network's is."""
    share = F.avg_pool2d(mask[None].float(), PATCH)
    region = share > 0
    if stream.integer(0, 99) >= 100 * scenes.touched and bool((share > 0.3).any()):
        region = share > 0.3
    if stream.integer(0, 99) < 100 * scenes.rough:
        wide = F.max_pool2d(region.float(), 3, 1, 1) > 0
        narrow = -F.max_pool2d(-region.float(), 3, 1, 1) > 0
        noise = torch.from_numpy(stream.integers(region.numel(), 0, 99)).view(region.shape)
        changed = region ^ ((noise < 15) & wide & ~narrow)
        region = changed if bool(changed.any()) else region
    return region.flatten()
