"""How good a mask method's masks are on `shapes`, and what it names under them or under others: region by region.

A region is all that one class covers in one scene. Its own mask is the one of the queries that fits it best (IoU at the photo's
size). 95 % intervals: percentile bootstrap over scenes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed import load_method
from benchbed.datasets.dataset import Sample
from benchbed.datasets.shapes.dataset import DATASET
from benchbed.images import ImageBatch, prepare
from benchbed.segmenter import Segmenter, TextFeatures

REPLICATES: Final = 2000


@dataclass(frozen=True)
class Scene:
    """A scene and its regions.

    Attributes:
        batch: the network's input.
        classes: [N] of the regions.
        truth: [N, H, W] bool, at the photo's size.
    """

    batch: ImageBatch
    classes: tuple[int, ...]
    truth: Tensor


@dataclass(frozen=True)
class Region:
    """One class in one scene: whether it is seen in training, the IoU of its own mask, and under what it is named right."""

    scene: int
    seen: bool
    iou: float
    right: dict[str, bool]


# What a method says of a scene: IoU of each region's own mask [N], and by condition the class named for each region [N].
Names = Callable[[Scene, TextFeatures], tuple[Tensor, dict[str, Tensor]]]


def look(segmenter: Segmenter, sample: Sample) -> Scene:
    """A sample as the segmenter sees it."""
    classes = tuple(int(c) for c in np.unique(sample.labels) if c != DATASET.ignore)
    truth = torch.from_numpy(np.stack([sample.labels == c for c in classes]))
    return Scene(prepare([sample.image], segmenter.input_spec), classes, truth)


def regions(names: Names, scene: Scene, place: int, text: TextFeatures) -> list[Region]:
    """All regions of a scene."""
    iou, said = names(scene, text)
    return [
        Region(place, DATASET.seen[c], float(iou[i]), {words: int(v[i]) == c for words, v in said.items()})
        for i, c in enumerate(scene.classes)
    ]


def at_photo(masks: Tensor, batch: ImageBatch) -> Tensor:
    """Mask logits [1, Q, h, w] at the photo's size, as the bench resizes them."""
    place = batch.geometry[0]
    large = F.interpolate(masks, place.padded, mode="bilinear", align_corners=False)
    inside = large[:, :, : place.valid[0], : place.valid[1]]
    return F.interpolate(inside, place.original, mode="bilinear", align_corners=False)


def at_grid(truth: Tensor, batch: ImageBatch, grid: tuple[int, int]) -> Tensor:
    """Regions [N, H, W] on the masks' grid: a cell is inside if any of its pixels is."""
    place = batch.geometry[0]
    padded = torch.zeros(1, len(truth), *place.padded)
    padded[:, :, : place.valid[0], : place.valid[1]] = F.interpolate(truth[None].float(), place.valid)
    return F.adaptive_max_pool2d(padded, grid)[0] > 0


def overlap(masks: Tensor, truth: Tensor) -> Tensor:
    """IoU of [Q, H, W] with [N, H, W], bool: [N, Q]."""
    mine, true = masks.flatten(1).float(), truth.flatten(1).float()
    both = true @ mine.T
    return both / (true.sum(1)[:, None] + mine.sum(1)[None] - both).clamp(min=1)


def interval(values: NDArray[np.float64], scenes: NDArray[np.int64]) -> str:
    """Mean over regions, with the bootstrap's interval over scenes, %."""
    draw = np.random.default_rng(0)
    places = np.unique(scenes, return_inverse=True)[1]  # scenes without such a region are not drawn
    sums, counts = (np.bincount(places, weights) for weights in (values, np.ones_like(values)))
    picks = draw.integers(0, len(sums), (REPLICATES, len(sums)))
    low, high = np.percentile(100 * sums[picks].sum(1) / counts[picks].sum(1), [2.5, 97.5])
    return f"{100 * values.mean():.1f} [{low:.1f}, {high:.1f}]"


def report(about: str, method: str, make: Callable[[Segmenter], Names]) -> None:
    """Measure what the command line asks for, and print."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--limit", type=int, default=DATASET.full_size)
    given = parser.parse_args()
    weights = given.weights if given.weights == "shipped" else Path(given.weights)
    segmenter = load_method(method, weights)
    names, dataset = make(segmenter), DATASET.opened(None)
    text = segmenter.text_for(DATASET.vocabulary())
    found = defaultdict(list)
    with torch.inference_mode():
        for place in range(given.limit):
            for region in regions(names, look(segmenter, dataset.sample(place)), place, text):
                found[region.seen].append(region)
    for split, all_of in sorted(found.items(), reverse=True):
        scenes = np.array([each.scene for each in all_of])
        print(f"{'seen' if split else 'unseen'}: {len(all_of)} regions")
        print(f"  IoU of the own mask, %: {interval(np.array([each.iou for each in all_of]), scenes)}")
        for words in all_of[0].right:
            hits = np.array([float(each.right[words]) for each in all_of])
            print(f"  named right, {words}, %: {interval(hits, scenes)}")
