"""Step by step, what the small CLIP sees: a function of (seed, step) alone, so that a training that goes on sees the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed.datasets.shapes import CLASSES
from benchbed.datasets.shapes.captions import caption_of
from benchbed.datasets.shapes.random_stream import Stream
from benchbed.training.clip_bare import bare_object
from benchbed.training.clip_collages import collage
from benchbed.training.clip_pixels import MEAN, STD
from benchbed.training.clip_pool import Crop, Pool, View
from benchbed.training.clip_prompts import FAMILIES
from benchbed.training.clip_recipe import ClipRecipe, ClipRegions, ClipScenes
from benchbed.training.clip_scene_views import SceneViews, scene_views

GROUP: Final = len(CLASSES)

Picture = NDArray[np.uint8]
Pair = tuple[Picture, str]


@dataclass(frozen=True)
class ClipBatch:
    """One step's pictures [B, 3, S, S], normalised, and their B captions; each run of 20 is a group."""

    images: Tensor
    captions: tuple[str, ...]


@dataclass(frozen=True)
class RegionBatch:
    """One step of the second stage.

    Attributes:
        images: [20, 3, S, S], normalised: single objects, one of each class.
        captions: theirs.
        collages: [C, 3, H, W], normalised.
        regions: [C, n, h * w] bool, see `clip_collages.Collage`.
        region_captions: C * n, collage by collage; each run of 20 is a group.
    """

    images: Tensor
    captions: tuple[str, ...]
    collages: Tensor
    regions: Tensor
    region_captions: tuple[str, ...]


@dataclass(frozen=True)
class SceneBatch:
    """One step of the third stage: scenes with their objects' regions, and a sentence about each of the 20 classes."""

    views: SceneViews
    sentences: tuple[str, ...]


class ClipBatches:
    """All steps of one training.

    Args:
        pool: what there is to see.
        recipe: how much of it a step sees, and how it is augmented.
        seed: of the training.
    """

    def __init__(self, pool: Pool, recipe: ClipRecipe, seed: int) -> None:
        self.pool, self.recipe, self.seed = pool, recipe, seed

    def step(self, number: int) -> ClipBatch:
        """What step `number`, counted from 0, sees."""
        phase, stream = self.recipe.phase(number), Stream.of("clip", self.seed, number)
        pairs: list[Pair] = []
        for group in range(self.recipe.groups - phase.scene_groups):
            pairs += [self._object(k, stream.child("object", group, k)) for k in range(GROUP)]
        for group in range(phase.scene_groups):
            pairs += [self._window(stream.child("window", group, k)) for k in range(GROUP)]
        images = stacked([image for image, _ in pairs], phase.side)
        return ClipBatch(images, tuple(caption for _, caption in pairs))

    def _object(self, class_id: int, stream: Stream) -> Pair:
        """A square around an object of one class, turned, and a caption or a prompt."""
        crop = stream.choice(self.pool.crops[class_id])
        left, top, side = _square(crop, self.recipe, stream)
        image = turned(crop.image[top : top + side, left : left + side], stream.integer(0, 7))
        return image, self._said(class_id, crop, stream)

    def _said(self, class_id: int, crop: Crop, stream: Stream) -> str:
        if stream.integer(0, 999) >= 1000 * self.recipe.prompts:
            return crop.caption
        prompt: str = stream.choice(stream.choice(FAMILIES))
        return prompt.format(CLASSES[class_id])

    def region_step(self, number: int, regions: ClipRegions) -> RegionBatch:
        """What step `number`, counted from 0, of the second stage sees."""
        stream, side = Stream.of("clip regions", self.seed, number), self.recipe.size.image_size
        alone = [self._alone(k, regions, side, stream.child("alone", k)) for k in range(GROUP)]
        classes: list[int] = []
        while len(classes) < regions.collages * regions.cells:
            classes += stream.child("order", len(classes)).shuffled(range(GROUP))
        height, width = stream.choice(regions.sizes)
        made, said = [], []
        for first in range(0, len(classes), regions.cells):
            own = stream.child("collage", first)
            some = classes[first : first + regions.cells]
            crops = [own.choice(self.pool.crops[class_id]) for class_id in some]
            made.append(collage(crops, height, width, own))
            said += [
                self._said(k, crop, own.child("said", n))
                for n, (k, crop) in enumerate(zip(some, crops, strict=True))
            ]
        return RegionBatch(
            torch.stack([image for image, _ in alone]),
            tuple(caption for _, caption in alone),
            torch.stack([(each.image - MEAN) / STD for each in made]),
            torch.stack([each.regions for each in made]),
            tuple(said),
        )

    def scene_step(self, number: int, scenes: ClipScenes) -> SceneBatch:
        """What step `number`, counted from 0, of the third stage sees."""
        stream = Stream.of("clip scenes", self.seed, number)
        views = scene_views(self.pool.scenes, scenes, stream)
        prompt = stream.child("said").choice(stream.child("family").choice(FAMILIES))
        return SceneBatch(views, tuple(prompt.format(name) for name in CLASSES))

    def _alone(self, class_id: int, regions: ClipRegions, side: int, stream: Stream) -> tuple[Tensor, str]:
        if stream.integer(0, 999) >= 1000 * regions.bare:
            image, caption = self._object(class_id, stream)
            return normalised(image, side), caption
        crop = stream.choice(self.pool.crops[class_id])
        other = stream.choice(stream.choice(self.pool.crops))
        return bare_object(crop, other, side, stream.child("bare")), self._said(class_id, crop, stream)

    def _window(self, stream: Stream) -> Pair:
        """A window of a scene, turned, and a caption that names the objects whose middle lies in it: at least one."""
        while True:
            view = stream.choice(self.pool.views)
            least, greatest = self.recipe.window
            height, width = view.image.shape[:2]
            side = stream.integer(least, min(greatest, height, width))
            corner = stream.integer(0, width - side), stream.integer(0, height - side)
            names = named(view, corner, side, kind := stream.integer(0, 7))
            if names:
                image = view.image[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
                return turned(image, kind), caption_of(names, stream.child("caption"))


def _square(crop: Crop, recipe: ClipRecipe, stream: Stream) -> tuple[int, int, int]:
    """Left, top and side of the square, inside the picture."""
    left, top, right, bottom = crop.box
    whole = crop.image.shape[0]
    side = min(whole, int(max(right - left, bottom - top) * _uniform(recipe.zoom, stream)))
    shift = recipe.shift * side
    corner = [
        round((low + high - side) / 2 + _uniform((-shift, shift), stream))
        for low, high in ((left, right), (top, bottom))
    ]
    x, y = (min(max(each, 0), whole - side) for each in corner)
    return x, y, side


def _uniform(bounds: tuple[float, float], stream: Stream) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * stream.integer(0, 1000) / 1000


def turned(image: Picture, kind: int) -> Picture:
    """A square picture by `kind` % 4 quarter turns, and mirrored from 4 on: `shapes` has no up."""
    image = np.rot90(image, kind % 4)
    return image[:, ::-1] if kind >= 4 else image


def named(view: View, corner: tuple[int, int], side: int, kind: int) -> list[str]:
    """Class names of the objects whose middle lies in a window (left, top) of `side` pixels, from left to right once `turned`."""
    places = view.middles - np.array(corner)
    inside = ((places >= 0) & (places < side)).all(axis=1)
    x, y = places[:, 0], places[:, 1]
    across = (x, y, side - x, side - y)[kind % 4]
    if kind >= 4:
        across = side - across
    order = [index for index in np.argsort(across, kind="stable") if inside[index]]
    return [CLASSES[view.classes[index]] for index in order]


def normalised(image: Picture, side: int) -> Tensor:
    """A picture [H, W, 3] as CLIP sees it: [3, side, side]."""
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()
    if tensor.shape[1:] != (side, side):
        tensor = F.interpolate(tensor[None], (side, side), mode="bilinear", antialias=True)[0]
    return (tensor - MEAN) / STD


def stacked(images: Sequence[Picture], side: int) -> Tensor:
    """Pictures as one batch [N, 3, side, side]."""
    return torch.stack([normalised(image, side) for image in images])
