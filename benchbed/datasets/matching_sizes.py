"""A photo and its label map must have the same size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbed.errors import DataError


def check_sizes(
    image_path: Path, image: NDArray[np.uint8], mask_path: Path, labels: NDArray[np.integer]
) -> None:
    """Compare an image [H, W, 3] with its labels [H, W].

    Raises:
        DataError: they differ in size; the message names both files.
    """
    if image.shape[:2] != labels.shape:
        raise DataError(
            f"{image_path} is {_size(image.shape)} but its mask {mask_path} is {_size(labels.shape)} (width x height): "
            "equal sizes are expected; put the dataset's own pair there"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
