"""Read a photo from disk, or say in one sentence why it cannot be read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

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
# ISO/IEC 10918-1, table B.1. Both are unmistakable in a stream: an FF byte inside entropy-coded data is
# followed by 00.
_START_OF_SCAN: Final = b"\xff\xda"
_END_OF_IMAGE: Final = b"\xff\xd9"


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


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Decode a photo to [H, W, 3] uint8 RGB; grey photos get three equal channels.

    An EXIF orientation is applied, as detectron2's `read_image` and mmcv's `imread` do (photos of PASCAL VOC
    carry none). A JPEG without its end marker is refused whatever PIL's global `LOAD_TRUNCATED_IMAGES` says:
    decoders fill the missing part with grey, and accuracy on grey would look like a result.

    Raises:
        DataError: the file is missing, empty, truncated or no image; the message names it.
    """
    content = read_content(path)
    if lost_its_end(content):
        raise damaged(path, content, "truncated, the JPEG end marker FFD9 is missing")
    try:
        with Image.open(io.BytesIO(content)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(image.convert("RGB"))
    except DAMAGE as error:
        raise damaged(path, content, error) from error


def lost_its_end(content: bytes) -> bool:
    """A JPEG whose last scan is never closed: cut off, or its tail was never written and reads as zeros."""
    scan = content.rfind(_START_OF_SCAN)
    return content.startswith(b"\xff\xd8") and content.find(_END_OF_IMAGE, max(scan, 0)) < 0
