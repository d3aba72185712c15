"""ADE20K's full release to photos and 16-bit label maps of 847 classes, as MaskFormer's conversion makes them.

Its rules, which change numbers: object class = floor(red / 10) * 256 + green of `_seg.png`; where the shorter side has more than
512 pixels, photo and label map shrink to 512 (bilinear, nearest); photos are saved as JPEG of PIL's default quality 75. The
release's pickled index is never read: the files' names say what belongs to the split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.datasets.ade20k_847 import HOW_TO_GET, IGNORE, MASKS, PHOTOS, RELEASE
from benchbed.datasets.ade20k_847_classes import RELEASE_IDS
from benchbed.datasets.image_file import read_photo
from benchbed.datasets.matching_sizes import check_sizes
from benchbed.datasets.whole_file import write_picture
from benchbed.errors import DataError

_SHORT: Final = 512
_SPLITS: Final = {"val": ("validation", "ADE_val_*.jpg"), "train": ("training", "ADE_*.jpg")}
# The largest id that red and green can encode.
_IDS: Final = 26 * 256
_TO_LABEL: Final = np.full(_IDS, IGNORE, np.uint16)
_TO_LABEL[list(RELEASE_IDS)] = np.arange(len(RELEASE_IDS))


def convert(folder: Path, split: str) -> None:
    """Write photos and label maps of a split; files already written are left alone.

    Args:
        folder: holds the release, unpacked.
        split: "val" or "train".

    Raises:
        DataError: there is no photo, or one without its label picture, or a damaged file.
    """
    part, pattern = _SPLITS[split]
    base = folder / RELEASE
    photos = sorted((base / "images" / "ADE" / part).rglob(pattern))
    if not photos:
        raise DataError(f"{base / 'images' / 'ADE' / part} holds no {pattern}; {HOW_TO_GET}")
    for photo in photos:
        target = base / PHOTOS / part / photo.name
        mask = (base / MASKS / part / photo.name).with_suffix(".tif")
        if target.is_file() and mask.is_file():
            continue
        picture = photo.with_name(f"{photo.stem}_seg.png")
        image, labels = read_photo(photo), class_map(picture)
        check_sizes(photo, image, picture, labels)
        image, labels = shrunk(image, labels)
        write_picture(mask, Image.fromarray(labels))
        write_picture(target, Image.fromarray(image))


def class_map(path: Path) -> NDArray[np.uint16]:
    """Labels [H, W] of a `_seg.png`: 0 to 846, or 65535."""
    pixels = read_photo(path).astype(np.int32)
    labels: NDArray[np.uint16] = _TO_LABEL[pixels[..., 0] // 10 * 256 + pixels[..., 1]]
    return labels


def shrunk(
    image: NDArray[np.uint8], labels: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Photo [H, W, 3] and labels [H, W], their shorter side 512 pixels at most."""
    height, width = labels.shape
    if min(height, width) <= _SHORT:
        return image, labels
    import cv2

    size = (
        (round(width / height * _SHORT), _SHORT)
        if width >= height
        else (_SHORT, round(height / width * _SHORT))
    )
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    # Shrinking labels commutes with mapping their ids: both only pick pixels.
    return small.astype(np.uint8), cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint16)
