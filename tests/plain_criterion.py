"""The set criterion in plain Python: loops over pixels, and all permutations for the matching."""

from __future__ import annotations

import math
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.matcher import nearest
from methods.parts.set_criterion import CriterionSettings, MaskOutput


def case(seed: int, batch: int = 2, queries: int = 4, classes: int = 3) -> tuple[MaskOutput, Tensor]:
    """Random logits at a quarter of the side of random label maps of 8 x 12 pixels in blocks, a third of them ignored."""
    generator = torch.Generator().manual_seed(seed)
    masks = 2 * torch.randn(batch, queries, 2, 3, generator=generator, dtype=torch.double)
    logits = torch.randn(batch, queries, classes + 1, generator=generator, dtype=torch.double)
    names = torch.tensor([*range(classes), 255, 255])
    blocks = names[torch.randint(0, len(names), (batch, 4, 6), generator=generator)]
    labels = blocks.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return MaskOutput(masks.requires_grad_(), logits.requires_grad_()), labels


def pixel_loss(settings: CriterionSettings, x: float, t: float) -> float:
    p = 1 / (1 + math.exp(-x))
    right = p if t == 1 else 1 - p
    if settings.pixel_loss == "bce":
        return -math.log(right)
    balance = settings.alpha if t == 1 else 1 - settings.alpha
    return float(-balance * (1 - right) ** settings.gamma * math.log(right))


def plain_pair(settings: CriterionSettings, logits: Tensor, labels: Tensor, name: int) -> tuple[float, float]:
    """Mean pixel loss and dice of one mask [h, w] against one class of a label map [h, w], pixel by pixel."""
    pixels, shared, areas, count = 0.0, 0.0, 0.0, 0
    for x, label in zip(logits.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if label == 255 and settings.ignored == "left-out":
            continue
        t = float(label == name)
        p = 1 / (1 + math.exp(-x))
        pixels, count = pixels + pixel_loss(settings, x, t), count + 1
        shared, areas = shared + p * t, areas + p + t
    return pixels / max(count, 1), 1 - (2 * shared + 1) / (areas + 1)


def plain_matching(
    settings: CriterionSettings, output: MaskOutput, image: int, small: Tensor, names: list[int]
) -> dict[int, int]:
    """Query -> class of one image, by trying every assignment; its label map is as large as the logits."""
    probability = output.class_logits[image].softmax(-1)
    costs = {}
    for query, logits in enumerate(output.mask_logits[image]):
        for name in names:
            pixels, area = plain_pair(settings, logits, small, name)
            costs[query, name] = settings.mask_cost * pixels + settings.dice_cost * area
            costs[query, name] -= settings.class_cost * probability[query, name].item()
    orders = permutations(range(len(output.mask_logits[image])), len(names))
    best = min(orders, key=lambda order: sum(costs[q, n] for q, n in zip(order, names, strict=True)))
    return dict(zip(best, names, strict=True))


def plain_criterion(settings: CriterionSettings, output: MaskOutput, labels: Tensor) -> dict[str, float]:
    """The three losses by loops; dense settings only."""
    size = (output.mask_logits.shape[-2], output.mask_logits.shape[-1])
    if settings.resolution == "logits":
        labels = nearest(labels, size, centred=True)
    large = F.interpolate(output.mask_logits, labels.shape[-2:], mode="bilinear", align_corners=False)
    entropy, weight, pixels, areas, masks = 0.0, 0.0, 0.0, 0.0, 0
    for image in range(len(labels)):
        names = sorted(set(labels[image].flatten().tolist()) - {255})
        masks += len(names)
        pairs = plain_matching(settings, output, image, nearest(labels, size)[image], names)
        for query, row in enumerate(output.class_logits[image].log_softmax(-1)):
            wanted = pairs.get(query, len(row) - 1)
            share = 1.0 if query in pairs else settings.no_object_weight
            entropy, weight = entropy - share * row[wanted].item(), weight + share
        for query, name in pairs.items():
            pixel, area = plain_pair(settings, large[image, query], labels[image], name)
            pixels, areas = pixels + pixel, areas + area
    return {
        "loss_class": settings.class_weight * entropy / weight,
        "loss_mask": settings.mask_weight * pixels / max(masks, 1),
        "loss_dice": settings.dice_weight * areas / max(masks, 1),
    }
