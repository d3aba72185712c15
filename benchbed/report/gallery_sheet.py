"""A gallery as one picture: of each image photo over ground truth, then every method's prediction over its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchbed.report.error_maps import (
    COLOURS,
    HATCH_INK,
    HATCH_PAPER,
    IGNORED,
    WORDS,
    error_picture,
    faded,
    hatched,
    strokes,
)
from benchbed.report.gallery import ShownImage
from benchbed.report.legend import percent
from benchbed.report.lettering import BOLD, Colour, draw_text, shortened, text_width
from benchbed.report.overlay import GREY, INK, PAPER, WARNING, number_regions, on_middle_grey, tinted
from benchbed.report.palette import palette

MARGIN: Final = 20
GAP: Final = 12
NARROWEST: Final = 150  # a column's width, however narrow the photo
COLUMNS: Final = 9  # of more, the rest goes to the next line
TITLE: Final = 15
NOTE: Final = 12
KEY: Final = 13
HEAD: Final = 26  # above an image: its name and why it is shown
TITLE_BLOCK: Final = 40
KEY_ROW: Final = 22
SWATCH: Final = (24, 15)
MOST_CLASSES: Final = 24  # in the key; of more, the rest is told in words


@dataclass(frozen=True)
class _Column:
    """Two pictures, one above the other, under a title."""

    title: str
    note: str
    note_colour: Colour
    upper: Image.Image
    lower: Image.Image

    @property
    def width(self) -> int:
        return max(self.upper.width, NARROWEST)

    @property
    def height(self) -> int:
        return TITLE_BLOCK + self.upper.height + GAP + self.lower.height

    def draw(self, sheet: Image.Image, left: int, top: int) -> None:
        draw = ImageDraw.Draw(sheet)
        title = shortened(self.title, self.width, TITLE, BOLD)
        draw_text(draw, (left, top + 9), title, TITLE, INK, BOLD)
        draw_text(draw, (left, top + 27), shortened(self.note, self.width, NOTE), NOTE, self.note_colour)
        sheet.paste(self.upper, (left, top + TITLE_BLOCK))
        sheet.paste(self.lower, (left, top + TITLE_BLOCK + self.upper.height + GAP))


@dataclass(frozen=True)
class _Sign:
    """An entry of a key: a small picture and what it means."""

    swatch: Image.Image
    words: str

    @property
    def width(self) -> float:
        return self.swatch.width + 7 + text_width(self.words, KEY) + 18


def draw_gallery(images: Sequence[ShownImage], columns: int = COLUMNS) -> Image.Image:
    """One picture of images of one vocabulary, one below the other, each with its own key of classes.

    Args:
        images: at least one.
        columns: photos and methods beside each other, at most; at least 2.
    """
    blocks = [_block(image, columns) for image in images]
    width = max(block.width for block in blocks)
    height = sum(block.height + GAP for block in blocks) - GAP
    sheet = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), PAPER)
    top = MARGIN
    for block in blocks:
        sheet.paste(block, (MARGIN, top))
        top += block.height + GAP
    return sheet


def _block(image: ShownImage, columns: int) -> Image.Image:
    colours = palette(len(image.names))
    first, *rest = _columns(image, colours)
    lines = [rest[start : start + columns - 1] for start in range(0, len(rest), columns - 1)]
    width = max(first.width + sum(GAP + each.width for each in line) for line in lines)
    key = _key(image, colours, width)
    height = HEAD + sum(first.height + GAP for _ in lines) + key.height
    block = Image.new("RGB", (width, height), PAPER)
    _head(ImageDraw.Draw(block), image, width)
    top = HEAD
    for place, line in enumerate(lines):
        left = 0
        for column in [first, *line]:
            if column is not first or place == 0:
                column.draw(block, left, top)
            left += column.width + GAP
        top += first.height + GAP
    block.paste(key, (0, top))
    return block


def _head(draw: ImageDraw.ImageDraw, image: ShownImage, width: int) -> None:
    title = shortened(image.image_id, width // 2, TITLE, BOLD)
    draw_text(draw, (0, 9), title, TITLE, INK, BOLD)
    left = text_width(title, TITLE, BOLD) + 10
    why = f"{image.size[1]:,} x {image.size[0]:,} pixels; {image.why}"
    draw_text(draw, (left, 10), shortened(why, width - left, NOTE), NOTE, GREY)


def _columns(image: ShownImage, colours: NDArray[np.uint8]) -> list[_Column]:
    with_ignored = np.concatenate((colours, [[255, 255, 255]])).astype(np.uint8)
    numbers = [k + 1 for k in image.classes]
    truth = tinted(image.photo, image.truth, with_ignored)
    ignored = image.truth == len(image.names)
    truth = hatched(truth, ignored)
    number_regions(truth, image.truth, numbers)
    found = [_Column("photo", "ground truth below", GREY, Image.fromarray(image.photo), truth)]
    for panel in image.panels:
        upper = faded(tinted(image.photo, panel.labels, colours), ignored)
        number_regions(upper, np.where(ignored, -1, panel.labels), numbers)
        note, colour = f"{percent(panel.right)} of the pixels right", GREY
        if panel.right != panel.right:
            note = "no pixel is labelled"
        if panel.row.random:
            note, colour = "random weights", WARNING
        lower = error_picture(image.photo, panel.errors)
        found.append(_Column(panel.row.label, note, colour, upper, lower))
    return found


def _key(image: ShownImage, colours: NDArray[np.uint8], width: int) -> Image.Image:
    lines = _flowed([*_class_signs(image, colours), *_error_signs(image)], width)
    key = Image.new("RGB", (width, KEY_ROW * len(lines) + 4), PAPER)
    draw = ImageDraw.Draw(key)
    for place, line in enumerate(lines):
        left, middle = 0.0, 4 + KEY_ROW * (place + 0.5)
        for sign in line:
            key.paste(sign.swatch, (round(left), round(middle - sign.swatch.height / 2)))
            words = shortened(sign.words, width - left - sign.swatch.width - 7, KEY)
            draw_text(draw, (left + sign.swatch.width + 7, middle), words, KEY, INK)
            left += sign.width
    return key


def _class_signs(image: ShownImage, colours: NDArray[np.uint8]) -> list[_Sign]:
    tints = on_middle_grey(colours)
    signs = [
        _Sign(_swatch(tints[k], str(k + 1)), image.names[k][:80] + ("" if image.seen[k] else " (unseen)"))
        for k in image.classes[:MOST_CLASSES]
    ]
    more = len(image.classes) - MOST_CLASSES
    return [*signs, _Sign(_swatch(np.array(PAPER), ""), f"and {more:,} more classes")] if more > 0 else signs


def _error_signs(image: ShownImage) -> list[_Sign]:
    """Only the sorts of errors that occur."""
    occur = {int(sort) for panel in image.panels for sort in np.unique(panel.errors)}
    signs = [_Sign(_swatch(np.array(COLOURS[k]), ""), WORDS[k]) for k in COLOURS if k in occur]
    if IGNORED not in occur:
        return signs
    lines = strokes(SWATCH[1], SWATCH[0])[..., None]
    pixels = np.where(lines, HATCH_INK, HATCH_PAPER).astype(np.uint8)
    return [*signs, _Sign(Image.fromarray(pixels), WORDS[IGNORED])]


def _swatch(colour: NDArray[np.integer], number: str) -> Image.Image:
    swatch = Image.new("RGB", SWATCH, tuple(int(c) for c in colour))
    inset = (SWATCH[0] - text_width(number, 11, BOLD)) / 2
    draw_text(ImageDraw.Draw(swatch), (inset, SWATCH[1] / 2), number, 11, INK, BOLD, halo=PAPER)
    return swatch


def _flowed(signs: Sequence[_Sign], width: int) -> list[list[_Sign]]:
    lines: list[list[_Sign]] = [[]]
    for sign in signs:
        if lines[-1] and sum(each.width for each in lines[-1]) + sign.width > width:
            lines.append([])
        lines[-1].append(sign)
    return lines
