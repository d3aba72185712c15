"""Text on pictures in any script: measured, shortened, and never an empty box for a letter that no font has."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
_FONTS: Final = (
    Path(matplotlib.get_data_path()) / "fonts" / "ttf"
)  # DejaVu: Latin, Greek, Cyrillic, Arabic, ...
PLAIN: Final = str(_FONTS / "DejaVuSans.ttf")
BOLD: Final = str(_FONTS / "DejaVuSans-Bold.ttf")
ELLIPSIS: Final = "…"


def text_width(text: str, size: int, face: str = PLAIN) -> float:
    """Pixels that a line of text takes."""
    return sum(_font(path, size).getlength(part) for path, part in _runs(text, face))


def draw_text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    face: str = PLAIN,
    halo: Colour | None = None,
) -> None:
    """One line, its left end on the baseline's middle height at `at` (x, y), with a rim of `halo` around the letters."""
    x, y = at
    for path, part in _runs(text, face):
        font = _font(path, size)
        rim = 0 if halo is None else max(1, size // 7)
        draw.text((x, y), part, colour, font, anchor="lm", stroke_width=rim, stroke_fill=halo)
        x += font.getlength(part)


def shortened(text: str, room: float, size: int, face: str = PLAIN) -> str:
    """The text, or as much of its beginning as fits into `room` pixels with an ellipsis."""
    text = " ".join(text.split())
    if text_width(text[:1000], size, face) <= room and len(text) <= 1000:
        return text
    low, high = 0, min(len(text), 1000)
    while low < high:
        middle = (low + high + 1) // 2
        fits = text_width(text[:middle].rstrip() + ELLIPSIS, size, face) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + ELLIPSIS


@lru_cache(maxsize=4096)
def _runs(text: str, face: str) -> tuple[tuple[str, str], ...]:
    """The text in pieces of one font each: (font file, piece)."""
    shown = [(_file_for(letter, face), letter) for letter in text]
    pieces = [(path or face, letter if path else _spelt(letter)) for path, letter in shown]
    return tuple(
        (path, "".join(part for _, part in group))
        for path, group in groupby(pieces, key=lambda piece: piece[0])
    )


def _spelt(letter: str) -> str:
    """A letter that no font on this machine has: its code point; nothing for marks that are not seen alone."""
    return "" if unicodedata.category(letter) in ("Cf", "Mn", "Me") else f"[U+{ord(letter):04X}]"


@lru_cache(maxsize=4096)
def _file_for(letter: str, face: str) -> str:
    """The first font with this letter: ours, then the system's; "" where there is none."""
    if _has(face, letter):
        return face
    return next((path for path in _system_fonts() if _has(path, letter)), "")


def _has(path: str, letter: str) -> bool:
    letters = _letters(path)
    return ord(letter) in letters


@cache
def _letters(path: str) -> frozenset[int]:
    try:
        ImageFont.truetype(path, 12)
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # bitmap fonts, damaged files: as if they were not there
        return frozenset()


@cache
def _system_fonts() -> tuple[str, ...]:
    return tuple(sorted(font_manager.findSystemFonts()))


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def drawable(text: str, face: str = PLAIN) -> tuple[str, tuple[str, ...]]:
    """Text on one line whose every letter some font here has (others are spelt out), and the files of those fonts."""
    runs = _runs(" ".join(text.split()), face)
    return "".join(part for _, part in runs), tuple(dict.fromkeys(path for path, _ in runs))
