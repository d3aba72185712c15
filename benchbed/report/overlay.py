"""One picture of what methods see: each photo, then one panel a method with its legend. Drawn from arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from benchbed.report.legend import Legend, draw_legend, legend, legend_height
from benchbed.report.lettering import BOLD, Colour, draw_text, shortened, text_width
from benchbed.report.palette import palette

INK: Final = (34, 34, 34)
GREY: Final = (110, 110, 110)
WARNING: Final = (178, 60, 0)
PAPER: Final = (255, 255, 255)
PANEL: Final = 520  # pixels of a panel's longer side
THINNEST: Final = 24  # its shorter side, however thin the strip,
LONGEST: Final = 1920  # unless the longer one would pass this
NARROWEST: Final = 300  # a legend's width, however narrow the photo
SHEET: Final = 2400  # panels that would pass this width go to the next line
MARGIN: Final = 24
GAP: Final = 20
PHOTO_GAP: Final = 20  # more of it between photos than between the lines of one
TITLE: Final = 17  # heights of letters, pixels
NOTE: Final = 13
NUMBER: Final = 14
TITLE_BLOCK: Final = 50
# Share of the class's colour; the rest is the photo in grey, so that hues stay the legend's.
TINT: Final = 0.62
SHADOW: Final = 80  # what black is lifted to, so that an orange in the shade is not a brown


@dataclass(frozen=True)
class Panel:
    """What one method makes of one photo.

    Attributes:
        title: the method's label.
        note: what its weights are.
        warning: the note says that the picture means nothing.
        labels: [h, w] class indices at display size (`shown_labels`).
        counts: [K] pixels of each class at the photo's own size.
    """

    title: str
    note: str
    warning: bool
    labels: NDArray[np.integer]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Strip:
    """One photo and its panels; `photo` is [h, w, 3] uint8 at display size, `note` says the photo's own size."""

    title: str
    note: str
    photo: NDArray[np.uint8]
    panels: tuple[Panel, ...]


def display_size(height: int, width: int, side: int = PANEL) -> tuple[int, int]:
    """Height and width of a panel for a photo of this size: its shape kept, its longer side 520 pixels, or `side`.

    Thin strips are drawn longer, so that there is something to see.
    """
    scale = side / max(height, width)
    if min(height, width) * scale < THINNEST:
        scale = min(THINNEST / min(height, width), LONGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shown_photo(photo: NDArray[np.uint8], side: int = PANEL) -> NDArray[np.uint8]:
    """[H, W, 3] uint8 at display size."""
    height, width = display_size(photo.shape[0], photo.shape[1], side)
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))


def shown_labels(labels: NDArray[np.integer], side: int = PANEL) -> NDArray[np.integer]:
    """[H, W] labels at display size: of each panel pixel the label at its centre."""
    rows, columns = (
        ((np.arange(to) + 0.5) * size / to).astype(int)
        for size, to in zip(labels.shape, display_size(labels.shape[0], labels.shape[1], side), strict=True)
    )
    shown: NDArray[np.integer] = labels[rows][:, columns]
    return shown


def draw_sheet(strips: Sequence[Strip], names: Sequence[str]) -> Image.Image:
    """The whole picture: a line of panels a photo, more lines where they do not fit beside each other.

    Args:
        strips: photos with panels of one vocabulary.
        names: its K class names.
    """
    colours = palette(len(names))
    blocks = [_wrapped(_cells(strip, names, colours)) for strip in strips]
    lines = [line for block in blocks for line in block]
    width = max(sum(cell.width for cell in line) + GAP * (len(line) - 1) for line in lines)
    height = sum(_line_height(line) + GAP for line in lines) + PHOTO_GAP * (len(blocks) - 1) - GAP
    sheet = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), PAPER)
    top = MARGIN
    for block in blocks:
        for line in block:
            _draw_line(sheet, line, top)
            top += _line_height(line) + GAP
        top += PHOTO_GAP
    return sheet


def _draw_line(sheet: Image.Image, line: Sequence[_Cell], top: int) -> None:
    left = MARGIN
    for cell in line:
        cell.draw(sheet, left, top)
        left += cell.width + GAP


def _line_height(line: Sequence[_Cell]) -> int:
    return max(cell.height for cell in line)


@dataclass(frozen=True)
class _Cell:
    """A picture with a title above and perhaps a legend below."""

    title: str
    note: str
    note_colour: Colour
    picture: Image.Image
    legend: Legend | None = None

    @property
    def width(self) -> int:
        return max(self.picture.width, NARROWEST)

    @property
    def height(self) -> int:
        return TITLE_BLOCK + self.picture.height + (legend_height(self.legend) if self.legend else 0)

    def draw(self, sheet: Image.Image, left: int, top: int) -> None:
        draw = ImageDraw.Draw(sheet)
        title = shortened(self.title, self.width, TITLE, BOLD)
        draw_text(draw, (left, top + 10), title, TITLE, INK, BOLD)
        draw_text(draw, (left, top + 33), shortened(self.note, self.width, NOTE), NOTE, self.note_colour)
        sheet.paste(self.picture, (left, top + TITLE_BLOCK))
        if self.legend:
            draw_legend(draw, self.legend, left, top + TITLE_BLOCK + self.picture.height, self.width)


def _cells(strip: Strip, names: Sequence[str], colours: NDArray[np.uint8]) -> list[_Cell]:
    cells = [_Cell(strip.title, strip.note, GREY, Image.fromarray(strip.photo))]
    swatches = on_middle_grey(colours)
    for panel in strip.panels:
        key = legend(panel.counts, names, swatches)
        picture = tinted(strip.photo, panel.labels, colours)
        number_regions(picture, panel.labels, [row.number for row in key.rows])
        cells.append(_Cell(panel.title, panel.note, WARNING if panel.warning else GREY, picture, key))
    return cells


def _wrapped(cells: Sequence[_Cell]) -> list[list[_Cell]]:
    lines: list[list[_Cell]] = [[]]
    for cell in cells:
        taken = sum(each.width + GAP for each in lines[-1])
        if lines[-1] and taken + cell.width > SHEET:
            lines.append([])
        lines[-1].append(cell)
    return lines


def tinted(photo: NDArray[np.uint8], labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> Image.Image:
    """The photo in grey under its labels' colours, with a light line where two classes meet."""
    grey = np.asarray(Image.fromarray(photo).convert("L"), np.float32)[..., None]
    mixed = _mixed(colours[labels].astype(np.float32), grey)
    borders = _borders(labels)
    mixed[borders] = (0.4 * mixed[borders] + 0.6 * 255).astype(np.uint8)
    return Image.fromarray(mixed)


def on_middle_grey(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[..., 3] what a legend shows of colours: as they look over the middle grey of a photo."""
    return _mixed(colours.astype(np.float32), np.float32(128))


def _mixed(colours: NDArray[np.float32], grey: NDArray[np.float32] | np.float32) -> NDArray[np.uint8]:
    """[..., 3] uint8: colours over a photo's grey; over middle grey it is what a legend shows."""
    lifted = SHADOW + grey * (255 - SHADOW) / 255
    mixed: NDArray[np.uint8] = (TINT * colours + (1 - TINT) * lifted).round().astype(np.uint8)
    return mixed


def _borders(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """[h, w]: the class differs from that of the pixel below or to the right."""
    borders = np.zeros(labels.shape, bool)
    borders[:-1] |= labels[:-1] != labels[1:]
    borders[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return borders


def number_regions(picture: Image.Image, labels: NDArray[np.integer], numbers: Sequence[int]) -> None:
    """Write each class's number (its place in the list, from 1) where its region is thickest, if it fits there."""
    draw = ImageDraw.Draw(picture)
    for number in numbers:
        inside = np.pad(labels == number - 1, 1)
        depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        row, column = np.unravel_index(np.argmax(depth), depth.shape)
        width = text_width(str(number), NUMBER, BOLD)
        if depth[row, column] > np.hypot(width, NUMBER) / 2:
            draw_text(draw, (column - width / 2, float(row)), str(number), NUMBER, INK, BOLD, halo=PAPER)
