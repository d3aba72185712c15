"""Which query answers for which class of an image: targets from label maps, and the cheapest one-to-one assignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

IGNORED = 255
# Stands for NaN and infinity, which half precision may give in a step that the gradient scaler then skips; scipy refuses them.
WORST = 1e10


@dataclass(frozen=True)
class Targets:
    """One binary mask for each class that an image shows, kept as its label map and the classes' names.

    Attributes:
        labels: [B, H, W] int64; `IGNORED` is no class.
        classes: [B, T] int64, each image's classes in ascending order; rows are filled up with -1.
        counts: how many of a row's classes are real.
    """

    labels: Tensor
    classes: Tensor
    counts: tuple[int, ...]

    def masks(self, size: tuple[int, int]) -> Tensor:
        """[B, T, P] bool over the pixels of a grid of that size, which labels are brought to by `nearest`."""
        labels = nearest(self.labels, size).flatten(1)
        return labels[:, None] == self.classes[:, :, None]


@dataclass(frozen=True)
class Matching:
    """Matched pairs of all images of a batch: three int64 tensors [N], sorted by image, then by query.

    Attributes:
        images: index into the batch.
        queries: index into the image's queries; no query twice.
        targets: index into the image's row of `Targets.classes`; none twice.
    """

    images: Tensor
    queries: Tensor
    targets: Tensor


def find_targets(labels: Tensor, classes: int) -> Targets:
    """The classes that each label map [B, H, W] holds.

    Raises:
        ValueError: a label is neither `IGNORED` nor below `classes`: training must never see an unseen class.
    """
    if classes > IGNORED:
        raise ValueError(
            f"{classes} classes: label {IGNORED} means ignored, so there can be {IGNORED} at most"
        )
    smallest, largest = (int(each) for each in torch.aminmax(labels))
    if smallest < 0 or largest > IGNORED:
        raise ValueError(f"labels lie in {smallest}..{largest}, expected 0..{classes - 1} or {IGNORED}")
    present = torch.zeros(len(labels), IGNORED + 1, dtype=torch.bool, device=labels.device)
    found = present.scatter_(1, labels.flatten(1), True)[:, :IGNORED].cpu()
    if found[:, classes:].any():
        alien = found[:, classes:].any(0).nonzero().flatten() + classes
        raise ValueError(f"labels {alien.tolist()} found, expected 0..{classes - 1} or {IGNORED}")
    rows = [row.nonzero().flatten() for row in found]
    padded = pad_sequence(rows, batch_first=True, padding_value=-1)
    return Targets(labels, padded.to(labels.device), tuple(len(row) for row in rows))


def nearest(labels: Tensor, size: tuple[int, int], centred: bool = False) -> Tensor:
    """Label maps [B, H, W] brought to another size.

    Args:
        labels: int64, up to `IGNORED`.
        size: new height and width, pixels.
        centred: take the pixel under the new pixel's centre, not the one under its top left corner. MaskFormer's matcher
            takes the corner, which shifts masks by almost half a logit.
    """
    if labels.shape[-2:] == torch.Size(size):
        return labels
    mode = "nearest-exact" if centred else "nearest"
    # float32 holds small integers exactly; torch has no interpolation of int64.
    return F.interpolate(labels[:, None].float(), size=size, mode=mode)[:, 0].long()


def class_costs(class_logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the probability of each target's class: [B, Q, S + 1] and [B, T] -> [B, Q, T]; no value where classes are -1."""
    probability = class_logits.softmax(-1)
    wanted = classes.clamp(min=0)[:, None].expand(-1, class_logits.shape[1], -1)
    return -probability.gather(2, wanted)


def assign(costs: Tensor, counts: tuple[int, ...]) -> Matching:
    """The assignment of least total cost in each image, by scipy (shortest augmenting paths).

    Args:
        costs: [B, Q, T]; NaN and infinite entries count as `WORST` (minus infinity as -`WORST`).
        counts: of each image's T columns, how many are real; beyond Q, the dearest targets stay unmatched.
    """
    host = torch.nan_to_num(costs.float(), nan=WORST, posinf=WORST, neginf=-WORST).cpu().numpy()
    pairs = [linear_sum_assignment(cost[:, :count]) for cost, count in zip(host, counts, strict=True)]
    images = np.repeat(np.arange(len(pairs)), [len(queries) for queries, _ in pairs])
    columns = (images, *(np.concatenate(side) for side in zip(*pairs, strict=True)))
    return Matching(*(torch.as_tensor(column, dtype=torch.int64, device=costs.device) for column in columns))
