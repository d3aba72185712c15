"""One crop a query: its mask laid over the CLIP-normalised image, cut out by RoIAlign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align  # type: ignore[import-untyped]

from benchbed.images import ImageBatch
from benchbed.input_spec import CLIP_MEAN, CLIP_STD

# Masked copies made at once. On a CPU few: small blocks are used again by the allocator, large ones fault in page by page.
MASKED_BYTES: Final = 2**24
MASKED_BYTES_ON_DEVICE: Final = 2**28


def canvases(images: ImageBatch) -> Iterator[Tensor]:
    """Each image normalised for CLIP on a canvas of the padded input's size, [3, H, W]; the padding is 0, the mean colour."""
    for pixels, geometry in zip(images.pixels, images.geometry, strict=True):
        mean = torch.tensor(CLIP_MEAN, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(CLIP_STD, device=pixels.device).view(3, 1, 1)
        height, width = geometry.padded
        right, bottom = width - pixels.shape[2], height - pixels.shape[1]
        yield F.pad((pixels.float() - mean) / std, (0, right, 0, bottom))


@torch.no_grad()
def cut(canvas: Tensor, mask_logits: Tensor, size: int) -> Tensor:
    """Crops of all queries, in their order, empty masks too (quirk 1).

    The official code makes masked copies of the whole image for all queries and then cuts; here only as many at a time as fit
    a fixed number of bytes.

    Args:
        canvas: [3, H, W] normalised for CLIP.
        mask_logits: [Q, h, w] over it.
        size: side of a crop, pixels.

    Returns:
        [Q, 3, size, size] float32; outside the mask is 0.
    """
    budget = MASKED_BYTES if canvas.device.type == "cpu" else MASKED_BYTES_ON_DEVICE
    at_once = max(1, budget // (canvas.element_size() * canvas.numel()))
    return torch.cat([_cut(canvas, part, size) for part in mask_logits.float().split(at_once)])


def _cut(canvas: Tensor, mask_logits: Tensor, size: int) -> Tensor:
    height, width = canvas.shape[-2:]
    masks = F.interpolate(mask_logits[None], (height, width), mode="bilinear", align_corners=False)[0]
    places = torch.arange(len(masks), device=masks.device, dtype=torch.float32)[:, None]
    rois = torch.cat([places, mask_boxes(masks)], dim=1)
    inside = (masks > 0)[:, None]  # a logit above 0 is a sigmoid above 0.5
    crops: Tensor = roi_align(canvas * inside, rois, size, spatial_scale=1.0, sampling_ratio=-1, aligned=True)
    return crops


def mask_boxes(mask_logits: Tensor) -> Tensor:
    """Boxes around the pixels whose logit is above 0.

    The far corner is the LAST such pixel, one short of the usual convention. A box without area, of an empty mask or of one that
    is a pixel wide or high, becomes the whole canvas.

    Args:
        mask_logits: [Q, H, W].

    Returns:
        [Q, 4] float32: x0, y0, x1, y1 in pixels.
    """
    height, width = mask_logits.shape[-2:]
    left, right = _extent(mask_logits.amax(dim=1) > 0)
    top, bottom = _extent(mask_logits.amax(dim=2) > 0)
    flat = (right <= left) | (bottom <= top)
    boxes = torch.stack([left, top, right, bottom], dim=1).float()
    whole = torch.tensor([0.0, 0.0, width, height], device=boxes.device)
    return torch.where(flat[:, None], whole, boxes)


def _extent(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last index of True in each row of [Q, N]; N and -1 where there is none."""
    length = occupied.shape[1]
    index = torch.arange(length, device=occupied.device)
    first = torch.where(occupied, index, length).amin(dim=1)
    last = torch.where(occupied, index, -1).amax(dim=1)
    return first, last
