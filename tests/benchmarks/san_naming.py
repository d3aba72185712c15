"""What holds SAN down on `shapes`: how good its masks are, and what its CLIP names under them and under true ones.

    python tests/benchmarks/san_naming.py                       # the weights that ship, all 200 val scenes: 2 minutes
    python tests/benchmarks/san_naming.py --weights FILE --limit 50

A region is all that one class covers in one scene. Its own mask is the one of the queries that fits it best (IoU at the photo's
size). Steered by the network's own bias, CLIP names it `as it runs`; `own mask` and `true mask` tell CLIP's mask tokens by hand
to look at the patches of that mask alone. 95 % intervals: percentile bootstrap over scenes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed import load_method
from benchbed.datasets.dataset import Sample
from benchbed.datasets.shapes.dataset import DATASET
from benchbed.images import ImageBatch, prepare
from benchbed.segmenter import TextFeatures
from methods.san.mask_decoder import Proposals
from methods.san.model import SAN
from methods.san.recognition import BLOCKED, Seen

REPLICATES = 2000


@dataclass(frozen=True)
class Region:
    """One class in one scene: whether it is seen in training, the IoU of its own mask, and under what it is named right."""

    scene: int
    seen: bool
    iou: float
    right: dict[str, bool]


@torch.inference_mode()
def regions(san: SAN, sample: Sample, scene: int, text: TextFeatures) -> list[Region]:
    """All regions of a scene."""
    batch = prepare([sample.image], san.input_spec)
    proposals, seen = san.propose(batch.tensor)
    classes = [int(c) for c in np.unique(sample.labels) if c != DATASET.ignore]
    truth = torch.from_numpy(np.stack([sample.labels == c for c in classes]))
    fit = overlap(at_photo(proposals.masks, batch)[0] > 0, truth)
    own = fit.argmax(1)
    grid = (proposals.masks.shape[2], proposals.masks.shape[3])
    said = {
        "as it runs": named(san, proposals, seen, text)[own],
        "own mask": named(san, told(proposals, (proposals.masks[0] > 0)[own]), seen, text),
        "true mask": named(san, told(proposals, at_grid(truth, batch, grid)), seen, text),
    }
    split = DATASET.seen
    return [
        Region(scene, split[c], float(fit[i].max()), {k: int(v[i]) == c for k, v in said.items()})
        for i, c in enumerate(classes)
    ]


def named(san: SAN, proposals: Proposals, seen: Seen, text: TextFeatures) -> Tensor:
    """The best class of each mask token, [Q]; the background is none."""
    return san.classify(san.name(proposals, seen), text)[0, :, :-1].argmax(-1)


def told(like: Proposals, masks: Tensor) -> Proposals:
    """Mask tokens that look inside [N, h, w] bool alone, with every head."""
    bias = torch.where(masks, 0.0, BLOCKED)[None, None].expand(1, like.bias.shape[1], -1, -1, -1)
    return Proposals(masks[None].float(), bias.contiguous())


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
    sums, counts = (np.bincount(scenes, weights) for weights in (values, np.ones_like(values)))
    picks = draw.integers(0, len(sums), (REPLICATES, len(sums)))
    low, high = np.percentile(100 * sums[picks].sum(1) / counts[picks].sum(1), [2.5, 97.5])
    return f"{100 * values.mean():.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--limit", type=int, default=DATASET.full_size)
    given = parser.parse_args()
    weights = given.weights if given.weights == "shipped" else Path(given.weights)
    san = load_method("san/tiny", weights)
    assert isinstance(san, SAN)
    dataset = DATASET.opened(None)
    text = san.text_for(DATASET.vocabulary())
    found = defaultdict(list)
    for scene in range(given.limit):
        for region in regions(san, dataset.sample(scene), scene, text):
            found[region.seen].append(region)
    for split, all_of in sorted(found.items(), reverse=True):
        scenes = np.array([each.scene for each in all_of])
        print(f"{'seen' if split else 'unseen'}: {len(all_of)} regions")
        print(f"  IoU of the own mask, %: {interval(np.array([each.iou for each in all_of]), scenes)}")
        for words in all_of[0].right:
            hits = np.array([float(each.right[words]) for each in all_of])
            print(f"  named right, {words}, %: {interval(hits, scenes)}")


if __name__ == "__main__":
    main()
