"""Small photos and label files in two folders, the same every time. `import pair_files`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHAPES = ((40, 56), (48, 32), (33, 47))


def write_pairs(
    images: Path,
    masks: Path,
    names: Sequence[str],
    values: Sequence[int],
    ending: str = ".png",
    seed: int = 0,
) -> dict[str, NDArray[np.integer]]:
    """Write a photo (.jpg) and a label file of random `values` for each name; returns what the label files store.

    Label files are 8-bit where every value fits, else 16-bit.
    """
    random = np.random.default_rng(seed)
    kind = np.uint8 if max(values) <= 255 else np.uint16
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    raw: dict[str, NDArray[np.integer]] = {}
    for number, name in enumerate(names):
        shape = SHAPES[number % len(SHAPES)]
        raw[name] = random.choice(np.array(values, kind), size=shape)
        photo = random.integers(0, 256, (*shape, 3), np.uint8)
        Image.fromarray(photo).save(images / f"{name}.jpg", quality=95)
        Image.fromarray(raw[name]).save(masks / f"{name}{ending}")
    return raw
