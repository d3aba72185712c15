"""Whether a JPEG's data reach its last pixel. Decoders fill what is missing with grey and say nothing."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image

# ISO/IEC 10918-1, table B.1. All are unmistakable in a stream: an FF byte inside entropy-coded data is followed by 00.
_START_OF_IMAGE: Final = b"\xff\xd8"
_START_OF_SCAN: Final = b"\xff\xda"
_END_OF_IMAGE: Final = b"\xff\xd9"
# What libjpeg writes where a baseline scan ends early: all coefficients 0, which is the middle of the range; 127 in
# Adobe's inverted CMYK.
_MIDDLE: Final = frozenset({127, 128})
# Bits that no pixel of a whole picture needs: any, without FF, enough for some blocks.
_FILLER: Final = bytes((37 * place * place + 11 * place) % 251 for place in range(2048))


def what_is_cut_off(content: bytes, image: Image.Image) -> str:
    """What a JPEG lacks, in words; "" for a whole one, and for files of other formats, which PIL refuses itself.

    A file without its end marker was cut off, or its tail was never written and reads as zeros. One with the marker may
    still have been cut off and closed, by a camera or a tool that repairs; then libjpeg fills the rest with grey. Data put
    right before the marker are read as pixels if pixels are missing, and skipped if none is: so a photo whose last pixel is
    that grey, or one in several scans, is decoded twice. Not found: less than one block at the very end, and a cut
    between two whole scans or right before a restart marker.

    Args:
        content: the file.
        image: PIL's picture of it, not yet turned or converted; its pixels are loaded.
    """
    if not content.startswith(_START_OF_IMAGE):
        return ""
    end = content.find(_END_OF_IMAGE, max(content.rfind(_START_OF_SCAN), 0))
    if end < 0:
        return "truncated, the JPEG end marker FFD9 is missing"
    if not _suspicious(image):
        return ""
    with Image.open(io.BytesIO(content[:end] + _FILLER + content[end:])) as filled:
        if np.array_equal(np.asarray(image), np.asarray(filled)):
            return ""
    return "truncated, its data end before its last pixel although the JPEG end marker is there"


def _suspicious(image: Image.Image) -> bool:
    corner = image.getpixel((image.width - 1, image.height - 1))
    values = corner if isinstance(corner, tuple) else (corner,)
    return "progressive" in image.info or set(values) <= _MIDDLE
