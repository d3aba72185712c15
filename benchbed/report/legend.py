"""A panel's legend: the classes that occur, largest first, with their share of the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from benchbed.report.lettering import BOLD, Colour, draw_text, shortened, text_width

ROW: Final = 24  # pixels
ABOVE: Final = 10
MOST: Final = 12  # rows; the rest is told in one line
SWATCH: Final = (34, 18)
SHARES: Final = 106  # where shares end, from the left
NAMES: Final = 120  # where names begin
TEXT: Final = 14  # heights of letters
NUMBER: Final = 12
INK: Final = (34, 34, 34)
PAPER: Final = (255, 255, 255)
GREY: Final = (110, 110, 110)


@dataclass(frozen=True)
class LegendRow:
    """A class: its place in the list from 1, its name, its colour and its share of the photo's pixels, 0..1."""

    number: int
    name: str
    colour: Colour
    share: float


@dataclass(frozen=True)
class Legend:
    """Rows shown, and how many further classes occur with what share in all."""

    rows: tuple[LegendRow, ...]
    more: int
    more_share: float


def legend(
    counts: NDArray[np.int64], names: Sequence[str], colours: NDArray[np.uint8], most: int = MOST
) -> Legend:
    """The classes that occur, by area; of equal areas the one named first.

    Args:
        counts: [K] pixels of each class.
        names: K names.
        colours: [K, 3].
        most: rows; of more classes the largest.
    """
    shares = counts / max(int(counts.sum()), 1)
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    rows = tuple(
        LegendRow(
            k + 1, names[k], (int(colours[k][0]), int(colours[k][1]), int(colours[k][2])), float(shares[k])
        )
        for k in order[:most]
    )
    return Legend(rows, len(order[most:]), float(sum(shares[k] for k in order[most:])))


def percent(share: float) -> str:
    """A share as a table or a legend writes it; what is there is never "0.0 %", and 100 % is all of it."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def legend_height(key: Legend) -> int:
    """Pixels."""
    return ABOVE + ROW * (len(key.rows) + bool(key.more))


def draw_legend(draw: ImageDraw.ImageDraw, key: Legend, left: int, top: int, width: int) -> None:
    """Draw it with its upper left corner there, `width` pixels wide; names that do not fit are shortened."""
    middle = top + ABOVE + ROW / 2
    for row in key.rows:
        _swatch(draw, row, left, middle)
        _words(draw, row.share, row.name, (left, middle), width, INK)
        middle += ROW
    if key.more:
        name = f"{key.more:,} more class{'es' if key.more > 1 else ''}"
        _words(draw, key.more_share, name, (left, middle), width, GREY)


def _swatch(draw: ImageDraw.ImageDraw, row: LegendRow, left: int, middle: float) -> None:
    box = (left, middle - SWATCH[1] / 2, left + SWATCH[0], middle + SWATCH[1] / 2)
    draw.rectangle(box, row.colour)
    number = str(row.number)
    inset = (SWATCH[0] - text_width(number, NUMBER, BOLD)) / 2
    draw_text(draw, (left + inset, middle), number, NUMBER, _on(row.colour), BOLD)


def _on(colour: Colour) -> Colour:
    """Dark letters on a light colour, light ones on a dark one (ITU-R BT.601 luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return INK if luma > 128 else PAPER


def _words(
    draw: ImageDraw.ImageDraw, share: float, name: str, at: tuple[float, float], width: int, colour: Colour
) -> None:
    """The share, its right end in line with those above and below, then the name in what room is left."""
    left, middle = at
    number = percent(share)
    draw_text(draw, (left + SHARES - text_width(number, TEXT), middle), number, TEXT, colour)
    draw_text(draw, (left + NAMES, middle), shortened(name, width - NAMES, TEXT), TEXT, colour)
