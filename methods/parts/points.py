"""Mask losses at sampled points instead of all pixels (PointRend, arXiv 1912.08193; Mask2Former, arXiv 2112.01527 section 3.3).

Points are (x, y) in [0, 1) of an image's width and height, so one point means the same place in logits and labels of any size.
Sampling is bilinear between pixel centres, with zeros beyond the border, as `grid_sample(align_corners=False)` does it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.matcher import IGNORED


def sample_logits(logits: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples: [N, C, h, w] at [N, P, 2] -> [N, C, P]."""
    return F.grid_sample(logits, 2 * points[:, :, None] - 1, align_corners=False)[..., 0]


def _lookup(labels: Tensor, images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Labels [B, H, W] of images [N] at whole pixels [N, P]; `IGNORED` outside."""
    height, width = labels.shape[-2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    row = images[:, None] * height + y.clamp(0, height - 1)
    found = labels.flatten()[row * width + x.clamp(0, width - 1)]
    return torch.where(inside, found, IGNORED)


def _corners(labels: Tensor, images: Tensor, points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each of the four pixels around each point: its label and its bilinear weight, both [N, P]."""
    height, width = labels.shape[-2:]
    place = points * points.new_tensor([width, height]) - 0.5
    first = place.floor()
    beyond = place - first
    x, y = first.long().unbind(-1)
    right, down = beyond.unbind(-1)
    for dy, share_y in ((0, 1 - down), (1, down)):
        for dx, share_x in ((0, 1 - right), (1, right)):
            yield _lookup(labels, images, x + dx, y + dy), share_x * share_y


def sample_masks(
    labels: Tensor, images: Tensor, points: Tensor, classes: Tensor, leave_out: bool = False
) -> Tensor:
    """Bilinear samples of binary class masks, read off the label maps without building the masks.

    Args:
        labels: [B, H, W] int64.
        images: [N] which label map each row of points lies on.
        points: [N, P, 2].
        classes: [N, T].
        leave_out: interpolate between pixels that are not ignored only; 0 where there are none.

    Returns:
        [N, T, P] in [0, 1], of the points' dtype.
    """
    shares = points.new_zeros(*classes.shape, points.shape[1])
    counted = points.new_zeros(points.shape[:2])
    for label, share in _corners(labels, images, points):
        shares += (label[:, None] == classes[:, :, None]) * share[:, None]
        counted += (label != IGNORED) * share
    if not leave_out:
        return shares
    return torch.where(counted[:, None] > 0, shares / counted[:, None], 0.0)


def counted_points(labels: Tensor, images: Tensor, points: Tensor) -> Tensor:
    """[N, P] bool: the pixel under each point [N, P, 2] is not ignored; labels [B, H, W], images [N]."""
    height, width = labels.shape[-2:]
    x, y = (points * points.new_tensor([width, height])).long().unbind(-1)
    return _lookup(labels, images, x, y) != IGNORED


def uncertain_points(
    mask_logits: Tensor,
    count: int,
    oversample: float,
    importance: float,
    labels: Tensor | None = None,
    images: Tensor | None = None,
) -> Tensor:
    """Points where each mask is nearest to undecided, and some anywhere (PointRend section 3.2).

    Args:
        mask_logits: [N, h, w].
        count: points for each mask.
        oversample: candidates drawn for each point that is wanted, uniformly.
        importance: share of `count` that are the candidates of least |logit|; the rest is drawn anew, uniformly.
        labels: [B, H, W]; where given, candidates on ignored pixels come last, so that points are not spent on them.
        images: [N], with `labels`.

    Returns:
        [N, count, 2], without gradient; torch's global generator is drawn from.
    """
    with torch.no_grad():
        masks, chosen = len(mask_logits), int(importance * count)
        candidates = torch.rand(masks, int(count * oversample), 2, device=mask_logits.device)
        undecided = -sample_logits(mask_logits[:, None], candidates.to(mask_logits.dtype))[:, 0].abs()
        if labels is not None and images is not None:
            undecided = undecided.masked_fill(~counted_points(labels, images, candidates), -torch.inf)
        best = undecided.topk(chosen, dim=1, sorted=False).indices
        picked = candidates.gather(1, best[..., None].expand(-1, -1, 2))
        return torch.cat([picked, torch.rand(masks, count - chosen, 2, device=candidates.device)], 1)
