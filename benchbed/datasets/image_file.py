"""Read a photo from disk, or say in one sentence why it cannot be read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from benchbed.datasets.jpeg_end import what_is_cut_off
from benchbed.errors import DataError

# What PIL raises on damaged content: SyntaxError for a broken PNG, EOFError for a cut header, and so on.
DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: the file is missing, unreadable or empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(
            f"{path} cannot be read: {reason}; put the file there again from the dataset"
        ) from error
    if not content:
        raise DataError(f"{path} is empty (0 bytes): an image is expected; copy it again from the dataset")
    return content


def damaged(path: Path, content: bytes, reason: object) -> DataError:
    """The error for content that is no whole image."""
    # PIL names its in-memory buffer where a path would help.
    shown = str(reason).split(" <_io")[0] or type(reason).__name__
    return DataError(
        f"{path} is not a whole image ({len(content):,} bytes: {shown}); copy it again from the dataset"
    )


def opened(content: bytes) -> Image.Image:
    """PIL's picture of a file's bytes, which will not be filled up with grey where it is cut off.

    That is PIL's own way, unless somebody else in this process has set `LOAD_TRUNCATED_IMAGES`, which holds for all.

    Raises:
        one of DAMAGE: no image.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return Image.open(io.BytesIO(content))


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Decode a photo to [H, W, 3] uint8 RGB; grey photos get three equal channels.

    An EXIF orientation is applied, as detectron2's `read_image` and mmcv's `imread` do (photos of PASCAL VOC
    carry none). A JPEG whose data end early is refused, with an end marker or without: decoders fill the missing part with
    grey, and accuracy on grey would look like a result.

    Raises:
        DataError: the file is missing, empty, truncated or no image; the message names it.
    """
    content = read_content(path)
    try:
        with opened(content) as image:
            if missing := what_is_cut_off(content, image):
                raise damaged(path, content, missing)
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(image.convert("RGB"))
    except DAMAGE as error:
        raise damaged(path, content, error) from error
