"""Photos for measuring without data: structured, so that masks and crops have something to find. The same on every machine."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

THINGS: Final = 12


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A scene [height, width, 3] uint8 RGB: lit ground, stripes, boxes and discs; the same scene at every size."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    image = np.stack([90 + 120 * x, 60 + 140 * y, 170 - 90 * x * y], -1)
    image += 25 * np.sin(40 * (x + 2 * y))[..., None]
    random = np.random.default_rng(seed)
    for index in range(THINGS):
        left, top, size = random.uniform(0, 0.8), random.uniform(0, 0.8), random.uniform(0.08, 0.35)
        right, down = x - left - size / 2, y - top - size / 2
        box = (abs(right) < size / 2) & (abs(down) < size / 2)
        disc = right**2 + down**2 < (size / 2) ** 2
        image[disc if index % 2 else box] = random.uniform(0, 255, 3)
    return image.clip(0, 255).astype(np.uint8)
