"""Photos of every colour mode, and files that are none."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchbed.errors import DataError
from benchbed.photo import read_any_photo

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def saved(folder: Path, image: Image.Image, name: str = "photo.png", **options: Any) -> Path:
    """An image as a file."""
    image.save(folder / name, **options)
    return folder / name


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, since Pillow cannot write 16-bit colour or an image too large to hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def png16(values: NDArray[np.integer], colour: int) -> bytes:
    """A 16-bit PNG of [H, W, channels]."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, colour, rows)


def test_colour_comes_back_as_it_is(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "a.tif", "a.ppm"):
        read = read_any_photo(saved(tmp_path, Image.fromarray(RGB), name))
        assert read.dtype == np.uint8
        assert np.array_equal(read, RGB)


def test_grey_and_black_and_white_become_three_equal_channels(tmp_path: Path) -> None:
    grey = RGB[..., 0]
    assert np.array_equal(
        read_any_photo(saved(tmp_path, Image.fromarray(grey))), np.repeat(grey[..., None], 3, 2)
    )
    bits = Image.fromarray(grey).convert("1", dither=Image.Dither.NONE)
    expected = np.where(np.asarray(bits)[..., None], 255, 0).repeat(3, 2)
    assert np.array_equal(read_any_photo(saved(tmp_path, bits)), expected)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    assert np.array_equal(read_any_photo(saved(tmp_path, image, "p.gif")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    alpha = np.array([[0, 255, 51]], np.uint8)
    colour = np.array([[10, 10, 10]], np.uint8)
    bands = [colour] * (len(mode) - 1) + [alpha]
    read = read_any_photo(saved(tmp_path, Image.merge(mode, [Image.fromarray(band) for band in bands])))
    expected = colour * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(read[..., 0] - expected).max() <= 1
    assert read[0, 0].tolist() == [255, 255, 255]


def test_a_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    image.putpalette([200, 0, 0, 0, 200, 0])
    read = read_any_photo(saved(tmp_path, image, transparency=0))
    assert read[0].tolist() == [[255, 255, 255], [0, 200, 0]]


def test_16_bits_become_the_upper_8_in_grey_and_in_colour(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (4, 6, 3)).astype(np.uint16)
    values[0, 0], values[0, 1] = 0, 65535
    path = tmp_path / "deep.png"
    path.write_bytes(png16(values, colour=2))
    assert np.array_equal(read_any_photo(path), values >> 8)
    path.write_bytes(png16(values[..., :1], colour=0))
    assert np.array_equal(read_any_photo(path), (values[..., :1] >> 8).repeat(3, 2))
    tiff = saved(tmp_path, Image.fromarray(values[..., 0]), "deep.tif")
    assert np.array_equal(read_any_photo(tiff), (values[..., :1] >> 8).repeat(3, 2))
    with_alpha = np.concatenate([values, np.full((4, 6, 1), 65535)], 2)
    path.write_bytes(png16(with_alpha, colour=6))
    assert np.array_equal(read_any_photo(path), values >> 8)


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    for image in (Image.fromarray(RGB), Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)):
        upright = read_any_photo(saved(tmp_path, image))
        turned = read_any_photo(saved(tmp_path, image, "turned.png", exif=exif))
        assert np.array_equal(turned, np.rot90(upright, -1))


def test_a_cmyk_jpeg_has_the_colours_of_its_inks(tmp_path: Path) -> None:
    inks = {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 0, 0, 255): (0, 0, 0)}
    for ink, colour in inks.items():
        path = saved(tmp_path, Image.new("CMYK", (16, 16), ink), "ink.jpg", quality=100)
        assert np.abs(read_any_photo(path).astype(int) - colour).max() <= 4


def test_of_an_animation_the_first_picture_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "two.gif", save_all=True, append_images=frames[1:])
    assert read_any_photo(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (17, 3000), (3000, 17)])
def test_odd_sizes_are_photos_too(tmp_path: Path, size: tuple[int, int]) -> None:
    assert read_any_photo(saved(tmp_path, Image.new("RGB", size))).shape == (size[1], size[0], 3)


def jpeg(noise: int = 64) -> bytes:
    """A whole JPEG."""
    content = io.BytesIO()
    pixels = np.random.default_rng(2).integers(0, 256, (noise, noise, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.jpg", jpeg()[:-200], "is not a whole image"),
        ("cut.png", png16(np.ones((40, 40, 3), int), 2)[:-30], "is not a whole image"),
        ("header.jpg", jpeg()[:20], "cut|whole image|no image"),
        ("text.jpg", b"this is not a picture", "is no image that can be read here"),
        (
            "page.eps",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "is no image that can be read here",
        ),
        ("empty.png", b"", "is empty"),
        ("zero.gif", b"GIF89a" + bytes(7), "0 x 0 pixels|whole image|no image"),
        ("large.png", png(12_000, 12_000, 8, 0, b""), "12,000 x 12,000 pixels: at most 100,000,000"),
        ("bomb.png", png(60_000, 60_000, 8, 0, b""), "at most 100,000,000"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_what_is_no_photo_is_one_clear_error(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=says) as caught:
            read_any_photo(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_without_a_known_range_are_refused(tmp_path: Path) -> None:
    floats = saved(tmp_path, Image.fromarray(np.ones((3, 3), np.float32)), "f.tif")
    with pytest.raises(DataError, match="mode 'F', whose range is not known"):
        read_any_photo(floats)
    wide = saved(tmp_path, Image.fromarray(np.full((3, 3), 70_000, np.int32)), "i.tif")
    with pytest.raises(DataError, match="70,000: expected 8 or 16 bits"):
        read_any_photo(wide)


def test_what_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_any_photo(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="is not a file"):
        read_any_photo(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match="is not a file"):
        read_any_photo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match="cannot be read"):
        read_any_photo(Path("nul\0byte.jpg"))


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(3 * 2**30)  # sparse: takes no room
    with pytest.raises(DataError, match="3,221,225,472 bytes"):
        read_any_photo(tmp_path / "huge.jpg")
