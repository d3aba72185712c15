"""Read label indices from a PNG, refuse what only looks like them, and turn raw values into labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.datasets.image_file import DAMAGE, damaged, opened, read_content
from benchbed.errors import DataError

# PNG specification, section 11.2.1: after 8 bytes of signature, 8 of chunk head and 8 of image size.
_BIT_DEPTH_AT: Final = 24
_OUT_OF_RANGE: Final = 254


@dataclass(frozen=True, eq=False)
class LabelPng:
    """A decoded label file.

    Attributes:
        path: where it was read.
        indices: [H, W] uint8, the stored values: palette indices or grey values.
        palette: [P, 3] uint8 colours of a palette PNG, or None for a grey one.
    """

    path: Path
    indices: NDArray[np.uint8]
    palette: NDArray[np.uint8] | None


def read_label_png(path: Path) -> LabelPng:
    """Read an 8-bit palette or grey PNG of label indices; every chunk's checksum is verified.

    Raises:
        DataError: the file is missing, damaged, no PNG, a colour mask, or of another bit depth; the message
            names it.
    """
    content = read_content(path)
    try:
        with opened(content) as image:
            image.verify()  # leaves the image unusable, hence the second opening
        with opened(content) as image:
            _check_kind(path, image, content)
            indices = np.array(image)
            palette = image.getpalette() if image.mode == "P" else None
    except DAMAGE as error:
        raise damaged(path, content, error) from error
    return LabelPng(path, indices, None if palette is None else np.array(palette, np.uint8).reshape(-1, 3))


def _check_kind(path: Path, image: Image.Image, content: bytes) -> None:
    if image.format != "PNG":
        raise DataError(
            f"{path} is a {image.format} file: lossy or foreign formats change label values; "
            "a palette or grey PNG is expected; put the dataset's own mask there"
        )
    if image.mode in ("RGB", "RGBA", "LA"):
        raise DataError(
            f"{path} is a colour mask (PNG mode {image.mode}): label indices are expected, in a palette (P) "
            "or 8-bit grey (L) PNG; put the dataset's own mask there, or convert each colour to its class index"
        )
    # A palette stores indices at any depth; grey of another depth is rescaled by PIL and cv2 alike.
    if image.mode not in ("P", "L") or (image.mode == "L" and content[_BIT_DEPTH_AT] != 8):
        raise DataError(
            f"{path} is a PNG of mode {image.mode} with {content[_BIT_DEPTH_AT]} bits a pixel: label indices "
            "are expected in a palette (P) or 8-bit grey (L) PNG; convert it without rescaling its values"
        )


def label_table(mapping: Mapping[int, int]) -> NDArray[np.uint8]:
    """A look-up table [256] uint8 from raw values to labels; values that `mapping` lacks are out of range."""
    if not all(
        0 <= raw <= 255 and 0 <= label <= 255 and label != _OUT_OF_RANGE for raw, label in mapping.items()
    ):
        raise ValueError("raw values and labels must lie in 0..255, and no label may be 254")
    table = np.full(256, _OUT_OF_RANGE, np.uint8)
    table[list(mapping)] = list(mapping.values())
    return table


def to_labels(mask: LabelPng, table: NDArray[np.uint8], expected: str) -> NDArray[np.uint8]:
    """Labels [H, W] uint8 of a mask.

    Args:
        mask: the stored values.
        table: [256] uint8 from `label_table`.
        expected: the permitted raw values in words, for the message.

    Raises:
        DataError: a raw value is out of range; the message names it, its pixels and the file.
    """
    labels = table[mask.indices]
    outside = labels == _OUT_OF_RANGE
    if outside.any():
        values, counts = np.unique(mask.indices[outside], return_counts=True)
        most = int(counts.argmax())
        others = f" (and {len(values) - 1} other such values)" if len(values) > 1 else ""
        raise DataError(
            f"{mask.path} holds the label value {values[most]} in {counts[most]:,} pixels{others}: "
            f"expected {expected}; put the dataset's own mask there"
        )
    return labels
