"""Read any photo a person has, of any colour mode, or say in one sentence why it cannot be read. Free of torch.

Datasets are read by `benchbed.datasets.image_file`, whose pixels are those of the published evaluations; this reader is for
photos that belong to no dataset.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from benchbed.datasets.image_file import DAMAGE
from benchbed.datasets.jpeg_end import what_is_cut_off
from benchbed.errors import DataError

# What a camera, a phone or the web gives. Not in it: EPS and PDF, for which Pillow would run a program.
FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS: Final = 100_000_000
MOST_BYTES: Final = 2**30  # more than 100 million uncompressed pixels of four 16-bit channels
_EIGHT_BIT: Final = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
_SIXTEEN_BIT: Final = ("I;16", "I;16L", "I;16B", "I;16N")


def read_any_photo(path: Path) -> NDArray[np.uint8]:
    """Decode a photo to [H, W, 3] uint8 RGB.

    Grey becomes three equal channels; 16 bits a channel become the upper 8, of the full range 0..65535 (a camera's
    12-bit data stored in 16 bits stay dark); transparency is laid over white, as a page shows it; the EXIF orientation is
    applied; of an animation the first picture counts. Colour profiles are not applied: CMYK becomes RGB by Pillow's
    plain formula.

    Raises:
        DataError: the file is missing, no image, truncated, of more than 100 million pixels, or holds numbers without
            a known range (floating point, 32 bits); the message names it.
    """
    content = _content(path)
    try:
        with _opened(path, content) as image:
            _check_size(path, image.size)
            _check_mode(path, image.mode)
            if missing := what_is_cut_off(content, image):
                raise _damaged(path, content, missing)
            ImageOps.exif_transpose(image, in_place=True)
            return _pixels(path, image)
    except DAMAGE as error:
        raise _damaged(path, content, error) from error


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a file: expected a photo ({_known()})")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(
                f"{path} has {size:,} bytes: at most {MOST_BYTES:,} are read; shrink the photo first"
            )
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason}; expected a photo ({_known()})") from error
    if not content:
        raise DataError(f"{path} is empty (0 bytes): expected a photo ({_known()})")
    return content


def _opened(path: Path, content: bytes) -> Image.Image:
    Image.init()
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # somebody else in this process may have set it
    with warnings.catch_warnings():
        # Pillow warns from 89 million pixels on; the limit here is our own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(content), formats=[name for name in FORMATS if name in Image.OPEN])
        except UnidentifiedImageError as error:
            raise DataError(
                f"{path} is no image that can be read here ({len(content):,} bytes, the first are {content[:8]!r}); "
                f"expected {_known()}"
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_large(path, "far more pixels than a photo") from error


def _known() -> str:
    return ", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}"


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < 1:
        raise DataError(
            f"{path} has {width} x {height} pixels: at least 1 x 1 is expected; export the photo again"
        )
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"{width:,} x {height:,} pixels")


def _too_large(path: Path, found: str) -> DataError:
    return DataError(f"{path} has {found}: at most {MOST_PIXELS:,} are read; shrink the photo first")


def _check_mode(path: Path, mode: str) -> None:
    if mode not in (*_EIGHT_BIT, *_SIXTEEN_BIT, "I"):
        raise DataError(
            f"{path} has pixels of Pillow's mode {mode!r}, whose range is not known: "
            "expected 8 or 16 bits a channel; export it as PNG or JPEG"
        )


def _damaged(path: Path, content: bytes, reason: object) -> DataError:
    shown = str(reason).split(" <_io")[0] or type(reason).__name__  # Pillow names its in-memory buffer there
    return DataError(
        f"{path} is not a whole image ({len(content):,} bytes: {shown}); copy or export it again"
    )


def _pixels(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in (*_SIXTEEN_BIT, "I"):
        return _from_16_bits(path, image)
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image.convert("RGBA"))
        image = over
    return np.array(image.convert("RGB"))


def _from_16_bits(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """Grey of 16 bits. Pillow itself takes the upper byte of 16-bit RGB; grey here is the same rule, so that both agree."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(
            f"{path} has pixels from {values.min():,} to {values.max():,}: expected 8 or 16 bits a channel, "
            "0 to 65,535; export it as PNG or JPEG"
        )
    grey = (values >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return np.repeat(grey[..., None], 3, axis=2)
