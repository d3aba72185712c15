"""Images on their way into a network: resize, normalise, pad, and remember where each one sits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchbed.input_spec import InputSpec
from benchbed.scores import Geometry
from benchbed.stages import stage

KEPT_BLOCKS: Final = 8  # of memory, 16 MiB each at most


@dataclass(frozen=True)
class ImageBatch:
    """Network input.

    Attributes:
        tensor: [B, 3, H, W] float32 RGB, normalised, then padded with zeros at the right and bottom.
        pixels: B resized images [3, h, w] uint8 RGB, unpadded and not normalised; what crop-based methods cut from.
        geometry: B entries, in pixels: padded, resized and original size of each image.
    """

    tensor: Tensor
    pixels: tuple[Tensor, ...]
    geometry: tuple[Geometry, ...]

    def __len__(self) -> int:
        return len(self.geometry)

    @classmethod
    def around(cls, tensor: Tensor, spec: InputSpec) -> ImageBatch:
        """A batch around a network input [B, 3, H, W] that somebody else normalised; nothing counts as padding."""
        size = (tensor.shape[2], tensor.shape[3])
        mean = torch.tensor(spec.mean, device=tensor.device).view(3, 1, 1)
        std = torch.tensor(spec.std, device=tensor.device).view(3, 1, 1)
        pixels = (tensor * std + mean).round().clamp(0, 255).to(torch.uint8)
        return cls(tensor, tuple(pixels), (Geometry(size, size, size),) * len(tensor))


def keep_picture_memory() -> None:
    """Let PIL keep the memory of pictures that it is done with, in this process from now on.

    New pages for every picture cost a third of a resize: 3.4 ms of processor time in place of 2.2 from 375 x 500 to 512 x 683.
    A PILLOW_BLOCKS_MAX of the user's own stays.
    """
    if "PILLOW_BLOCKS_MAX" not in os.environ:
        core: Any = Image.core
        core.set_blocks_max(KEPT_BLOCKS)


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize [H, W, 3] uint8 to `size` (height, width) with PIL's antialiased bilinear filter, as detectron2 does."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def prepare(
    images: Sequence[NDArray[np.uint8]],
    spec: InputSpec,
    device: torch.device | str = "cpu",
    originals: Sequence[tuple[int, int]] | None = None,
) -> ImageBatch:
    """Make a batch of B images [H, W, 3] uint8 RGB ready for a network.

    Args:
        images: any sizes; each is resized by `spec.resized`.
        spec: the resize, normalisation and padding rule.
        device: where the batch goes.
        originals: sizes (height, width) that label maps must have, where `images` were resized already by
            somebody else (an mmsegmentation pipeline); they are then taken as they are.
    """
    with stage("preprocess"):
        ready = list(images)
        if originals is None:
            originals = [image.shape[:2] for image in images]  # type: ignore[misc]
            ready = [resize(image, spec.resized(*image.shape[:2])) for image in images]
        pixels = tuple(torch.from_numpy(np.ascontiguousarray(i.transpose(2, 0, 1))).to(device) for i in ready)
        return _pad(pixels, spec, list(originals))


def _pad(pixels: tuple[Tensor, ...], spec: InputSpec, originals: Sequence[tuple[int, int]]) -> ImageBatch:
    """Normalise first, pad after: padding has the mean colour (golden/README.md, quirks of the detectron2 family)."""
    height, width = spec.padded(max(p.shape[1] for p in pixels), max(p.shape[2] for p in pixels))
    mean = torch.tensor(spec.mean, device=pixels[0].device).view(3, 1, 1)
    std = torch.tensor(spec.std, device=pixels[0].device).view(3, 1, 1)
    tensor = torch.zeros(len(pixels), 3, height, width, device=pixels[0].device)
    for row, image in zip(tensor, pixels, strict=True):
        # In place: new memory for every step would take three times as long.
        row[:, : image.shape[1], : image.shape[2]].copy_(image).sub_(mean).div_(std)
    geometry = tuple(
        Geometry(padded=(height, width), valid=(p.shape[1], p.shape[2]), original=(int(o[0]), int(o[1])))
        for p, o in zip(pixels, originals, strict=True)
    )
    return ImageBatch(tensor, pixels, geometry)
