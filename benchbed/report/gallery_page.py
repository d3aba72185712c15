"""A gallery's pictures for a page: a photo and small flat maps that a browser lays over it, about 1 kB each."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.report.error_maps import COLOURS, HATCH_INK, HATCH_PAPER, IGNORED, strokes
from benchbed.report.gallery import ShownImage
from benchbed.report.palette import palette

PHOTO_QUALITY = 80


@dataclass(frozen=True)
class PageClass:
    """A class of a key: its number (from 1), name, colour "#rrggbb", whether it is seen, and whether the truth has it."""

    number: int
    name: str
    colour: str
    seen: bool
    in_truth: bool


@dataclass(frozen=True)
class PagePictures:
    """One image's pictures, all of the same height and width, pixels.

    Attributes:
        photo: JPEG. truth: PNG of flat class colours, ignored pixels hatched.
        predictions: a PNG of flat class colours a panel.
        errors: a PNG a panel, clear where the prediction is right, so that the photo shows through.
        classes: the key, in the order of `ShownImage.classes`.
    """

    width: int
    height: int
    photo: bytes
    truth: bytes
    predictions: tuple[bytes, ...]
    errors: tuple[bytes, ...]
    classes: tuple[PageClass, ...]


def page_pictures(image: ShownImage) -> PagePictures:
    """The pictures of one image; panel i of the maps is `image.panels[i]`."""
    colours = palette(len(image.names))
    ignored = image.truth == len(image.names)
    with_ignored = np.concatenate((colours, [HATCH_PAPER])).astype(np.uint8)
    height, width = image.truth.shape
    return PagePictures(
        int(width),
        int(height),
        _jpeg(image.photo),
        _flat(_hatch(with_ignored[image.truth], ignored)),
        tuple(_flat(colours[panel.labels]) for panel in image.panels),
        tuple(_errors(panel.errors) for panel in image.panels),
        _key(image, colours),
    )


def _key(image: ShownImage, colours: NDArray[np.uint8]) -> tuple[PageClass, ...]:
    there = set(np.unique(image.truth).tolist())
    return tuple(
        PageClass(k + 1, image.names[k], f"#{bytes(colours[k]).hex()}", bool(image.seen[k]), k in there)
        for k in image.classes
    )


def _jpeg(photo: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo).save(content, "JPEG", quality=PHOTO_QUALITY, optimize=True)
    return content.getvalue()


def _hatch(pixels: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    hatched = pixels.copy()
    hatched[where & strokes(*where.shape)] = HATCH_INK
    return hatched


def _errors(sorts: NDArray[np.uint8]) -> bytes:
    pixels = np.zeros((*sorts.shape, 4), np.uint8)
    for sort, colour in {**COLOURS, IGNORED: HATCH_PAPER}.items():
        pixels[sorts == sort] = (*colour, 255)
    pixels[(sorts == IGNORED) & strokes(*sorts.shape)] = (*HATCH_INK, 255)
    return _flat(pixels)


def _flat(pixels: NDArray[np.uint8]) -> bytes:
    """[h, w, 3 or 4] as a PNG: with a palette where 256 colours do."""
    channels = pixels.shape[2]
    colours, places = np.unique(pixels.reshape(-1, channels), axis=0, return_inverse=True)
    content = io.BytesIO()
    if len(colours) > 256:
        Image.fromarray(pixels).save(content, "PNG", optimize=True)
        return content.getvalue()
    image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    image.putpalette(colours[:, :3].tobytes())
    clear = bytes(colours[:, 3].tolist()) if channels == 4 else None
    image.save(content, "PNG", optimize=True, **({"transparency": clear} if clear else {}))
    return content.getvalue()
