"""What surrounds an image inside the network's input: black, as in LSeg's training and evaluation."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from methods.lseg.sizes import PAD_MULTIPLE


def black(spec: InputSpec, like: Tensor) -> Tensor:
    """[3] the normalised value of a black pixel, -mean / std (additional_utils/models.py, pad_image)."""
    mean, std = torch.tensor(spec.mean, dtype=torch.float64), torch.tensor(spec.std, dtype=torch.float64)
    return (-mean / std).to(like)


def grown(image: Tensor, height: int, width: int, colour: Tensor) -> Tensor:
    """[B, 3, h, w] padded at the right and bottom with `colour` [3] to at least (height, width)."""
    down, right = max(0, height - image.shape[2]), max(0, width - image.shape[3])
    if not down and not right:
        return image
    framed = F.pad(image, (0, right, 0, down))
    framed[:, :, image.shape[2] :] = colour[:, None, None]
    framed[:, :, :, image.shape[3] :] = colour[:, None, None]
    return framed


def blackened(images: ImageBatch, spec: InputSpec) -> ImageBatch:
    """The batch with black padding instead of the mean colour, and sides that are multiples of 32.

    Sides need to be, since level 4 of the decoder, doubled, must meet level 3; a batch made elsewhere may have others.
    """
    height, width = images.tensor.shape[2:]
    padded = (-(-height // PAD_MULTIPLE) * PAD_MULTIPLE, -(-width // PAD_MULTIPLE) * PAD_MULTIPLE)
    if all(geometry.valid == padded for geometry in images.geometry):
        return images
    colour = black(spec, images.tensor)
    rows = [
        grown(row[None, :, : geometry.valid[0], : geometry.valid[1]], *padded, colour)
        for row, geometry in zip(images.tensor, images.geometry, strict=True)
    ]
    geometry = tuple(replace(each, padded=padded) for each in images.geometry)
    return replace(images, tensor=torch.cat(rows), geometry=geometry)
