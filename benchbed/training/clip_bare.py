"""Bare objects for the small CLIP: drawn on no ground but CLIP's mean colour, partly behind something of that colour.

Two-stream methods show CLIP such pictures: a proposal's pixels, and nothing around them. A large CLIP has seen product photos and
drawings on plain paper; a small one must be shown them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchbed.datasets.shapes.random_stream import Stream
from benchbed.input_spec import CLIP_MEAN
from benchbed.training.clip_pixels import MEAN, STD, turned_layers
from benchbed.training.clip_pool import Crop

_PAPER: Final = np.array(CLIP_MEAN).round().astype(np.uint8)
_TRIES: Final = 4
_NOISE: Final = 0.4  # masks of 0.84 IoU on average
_LEAST_SIDE: Final = 16  # pixels, of a small object before it is enlarged


def bare_object(crop: Crop, other: Crop, side: int, stream: Stream) -> Tensor:
    """The object alone, cut off tightly and squeezed to a square, as two-stream methods do: [3, side, side], normalised.

    Three in five lie partly behind the outline of `other`; half are cut out roughly, as by a network's mask; half are shrunk
    first, as small objects of scenes are.
    """
    shown = crop.outline()
    if stream.chance(6, 10):
        shown = _behind(shown, other.outline(), stream.child("behind"))
    if stream.chance(1, 2):
        shown = _roughly(shown, stream.child("roughly"))
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    tight = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image = np.where(shown[..., None], crop.image, _PAPER)[tight]
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None]
    if stream.chance(1, 2):
        share = stream.integer(50, 100) / 100
        smaller = [max(_LEAST_SIDE, int(length * share)) for length in tensor.shape[2:]]
        tensor = F.interpolate(tensor, smaller, mode="bilinear", antialias=True)
    tensor = F.interpolate(tensor, (side, side), mode="bilinear", antialias=True)[0]
    return (turned_layers(tensor, stream.integer(0, 7)) - MEAN) / STD


def _roughly(shown: NDArray[np.bool_], stream: Stream) -> NDArray[np.bool_]:
    """An outline [S, S] as a mask network might find it: known every 4 pixels only, wrong by chance at its edge."""
    side = len(shown)
    share = F.avg_pool2d(torch.from_numpy(shown)[None, None].float(), 4)
    edge = F.max_pool2d(share, 3, 1, 1)  # no islands: noise changes what lies at the object
    for grid in (4, 8):
        count = -(-side // grid)
        noise = torch.from_numpy(stream.integers(count * count, -100, 100)).float() / 100
        share += _NOISE * F.interpolate(noise.view(1, 1, count, count), share.shape[2:], mode="bilinear")
    share += stream.integer(-20, 20) / 100
    rough = F.interpolate(share * (edge > 0), (side, side), mode="bilinear")[0, 0].numpy() > 0.5
    return rough if 2 * np.count_nonzero(rough & shown) > np.count_nonzero(rough | shown) else shown


def _behind(shown: NDArray[np.bool_], front: NDArray[np.bool_], stream: Stream) -> NDArray[np.bool_]:
    """What is left of an object [S, S] when another outline lies on it; all of it where less than half would be."""
    if front.shape != shown.shape:
        return shown
    half = len(shown) // 2
    for _ in range(_TRIES):
        moved = np.roll(front, (stream.integer(-half, half), stream.integer(-half, half)), (0, 1))
        left = shown & ~moved
        if 2 * np.count_nonzero(left) > np.count_nonzero(shown):
            return left
    return shown
