"""Colours of classes: fixed by a class's place in the list, and far apart for colour-blind eyes too."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito, "Color Universal Design" (2008), without black, which on a photo looks like shadow.
OKABE_ITO: Final = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# Dichromats' vision: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB; the first is ordinary vision.
_VISIONS: Final = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
# OKLab (Ottosson, 2020): linear RGB to cone responses, their cube roots to lightness and two colour axes.
_CONES: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LEVELS: Final = np.linspace(0, 255, 16).round()  # a channel of a candidate; 4,096 colours in all
_LIGHTNESS: Final = (0.35, 0.95)  # darker or lighter ones are shadow or glare on a photo


@cache
def _order(count: int) -> NDArray[np.uint8]:
    """[count, 3]: Okabe and Ito's, then again and again the candidate farthest from all colours before it."""
    candidates = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij"), -1).reshape(-1, 3)
    lightness = _seen(candidates)[0, :, 0]
    candidates = candidates[(lightness > _LIGHTNESS[0]) & (lightness < _LIGHTNESS[1])]
    chosen, seen = [np.array(colour, float) for colour in OKABE_ITO], _seen(candidates)
    nearest = np.min([_distance(seen, colour) for colour in chosen], axis=0)
    while len(chosen) < min(count, len(candidates)):
        chosen.append(candidates[np.argmax(nearest)])
        nearest = np.minimum(nearest, _distance(seen, chosen[-1]))
    return np.array(chosen, np.uint8)


def _distance(seen: NDArray[np.float64], colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N]: OKLab distance of each candidate from a colour, for the eyes that tell them apart worst."""
    worst: NDArray[np.float64] = np.linalg.norm(seen - _seen(colour[None]), axis=-1).min(0)
    return worst


def _seen(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """[4, N, 3] OKLab of N sRGB colours (0..255) in each of the four visions."""
    unit = colours / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    simulated = np.clip(np.einsum("vij,nj->vni", _VISIONS, linear), 0, 1)
    lab: NDArray[np.float64] = np.cbrt(simulated @ _CONES.T) @ _OKLAB.T
    return lab


def palette(num_classes: int) -> NDArray[np.uint8]:
    """[K, 3] RGB, one colour a class; the first ones do not depend on how many follow.

    To red-green blind eyes any two of the first 12 are 15 apart in CIELAB, of the first 20 8, of more less, though all of
    1,000 differ: hence the numbers that pictures carry too. From about 3,800 classes on colours repeat.
    """
    colours = _order(max(num_classes, len(OKABE_ITO)))
    return colours[np.arange(num_classes) % len(colours)]
