"""Random scores over many shapes, and their label maps by a plain version written from the definition alone."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.scores import DenseScores, Geometry, MaskScores, Scores

Order = Literal["resize-logits", "resize-scores"]
ORDERS: tuple[Order, ...] = ("resize-logits", "resize-scores")

# (low resolution, padded, valid, original): what the two resizes may do to an image.
SHAPES = {
    "enlarged twice": ((8, 12), (128, 192), (128, 173), (197, 261)),
    "odd sizes": ((7, 5), (101, 83), (97, 71), (113, 57)),
    "made smaller": ((24, 40), (96, 160), (96, 130), (51, 37)),
    "made much smaller": ((60, 44), (240, 176), (233, 175), (17, 11)),
    "scores finer than the input": ((90, 70), (45, 35), (41, 35), (60, 52)),
    "enlarged, made smaller": ((9, 200), (36, 100), (30, 100), (120, 40)),
    "nothing to resize": ((40, 56), (40, 56), (40, 56), (40, 56)),
    "cropped only": ((40, 56), (40, 56), (33, 47), (33, 47)),
    "first resize only": ((10, 14), (40, 56), (33, 47), (33, 47)),
    "second resize only": ((40, 56), (40, 56), (33, 47), (91, 66)),
    "rows only": ((10, 56), (40, 56), (40, 56), (66, 56)),
    "one low-resolution pixel": ((1, 1), (16, 16), (16, 12), (20, 31)),
    "one pixel out": ((6, 6), (24, 24), (20, 24), (1, 1)),
    "wide": ((3, 70), (12, 280), (10, 277), (9, 700)),
}


def geometry_of(shape: str) -> Geometry:
    return Geometry(*SHAPES[shape][1:])


def dense(shape: str, classes: int = 7, seed: int = 0, **changes: Any) -> DenseScores:
    random_ = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, classes, *SHAPES[shape][0], generator=random_)
    return DenseScores(logits, (geometry_of(shape),), **changes)


def masks(
    shape: str, order: Order, queries: int = 9, classes: int = 7, seed: int = 0, **changes: Any
) -> MaskScores:
    random_ = torch.Generator().manual_seed(seed)
    mask_logits = torch.randn(1, queries, *SHAPES[shape][0], generator=random_) * 4
    class_scores = torch.randn(1, queries, classes, generator=random_).softmax(-1)
    return MaskScores(mask_logits, class_scores, (geometry_of(shape),), order, **changes)


def plainly(scores: Scores, index: int = 0) -> Tensor:
    """The definition, [K, H, W]: every resize done in full, none skipped."""
    geometry = scores.geometry[index]

    def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
        align = isinstance(scores, DenseScores) and scores.align_corners
        return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=align, antialias=False)[0]

    def at_network_resolution(maps: Tensor) -> Tensor:
        return resize(maps.float(), geometry.padded)[:, : geometry.valid[0], : geometry.valid[1]]

    if isinstance(scores, DenseScores):
        full = resize(at_network_resolution(scores.logits[index]), geometry.original)
    else:
        mask_logits, classes = (
            at_network_resolution(scores.mask_logits[index]),
            scores.class_scores[index].float(),
        )
        if scores.order == "resize-logits":
            full = torch.einsum("qk,qhw->khw", classes, resize(mask_logits, geometry.original).sigmoid())
        else:
            full = resize(torch.einsum("qk,qhw->khw", classes, mask_logits.sigmoid()), geometry.original)
    return full if scores.class_offset is None else full + scores.class_offset[:, None, None]


def assert_best(labels: Tensor, full: Tensor) -> None:
    """Labels are the argmax; where they differ, the two best scores differ by float rounding alone, and the other is chosen."""
    assert labels.shape == full.shape[1:]
    chosen = full.gather(0, labels.long()[None])[0]
    other = labels.long() != full.argmax(0)
    gap = (full.amax(0) - chosen)[other] / full.amax(0)[other].abs()
    assert (gap < 1e-5).all(), (
        f"{int(other.sum())} labels differ, by up to {float(gap.max()):.2g} of the score"
    )
    assert float(other.float().mean()) < 0.005, "so many float ties cannot be"


def every_kind(shape: str, classes: int = 7, queries: int = 9, **changes: Any) -> list[Scores]:
    """Dense scores, and masks in both orders."""
    of_masks = [masks(shape, order, queries, classes, **changes) for order in ORDERS]
    return [dense(shape, classes, **changes), *of_masks]


def tensors_of(scores: Scores) -> list[Tensor]:
    """Copies of all that scores hold, to see later that nobody changed them."""
    return [held.clone() for held in vars(scores).values() if isinstance(held, Tensor)]
