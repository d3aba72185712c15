"""Pictures of segmentations: colours, legends, lettering and layout, without a model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchbed.report.legend import Legend, LegendRow, legend, percent
from benchbed.report.lettering import BOLD, PLAIN, draw_text, shortened, text_width
from benchbed.report.overlay import (
    LONGEST,
    MARGIN,
    PANEL,
    SHEET,
    Panel,
    Strip,
    display_size,
    draw_sheet,
    number_regions,
    shown_labels,
    shown_photo,
    tinted,
)
from benchbed.report.palette import OKABE_ITO, palette


def cielab(colours: NDArray[Any]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of sRGB colours 0..255: another space than the palette was made in."""
    unit = np.asarray(colours, float) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)


def as_dichromats_see(colours: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Protanopia and deuteranopia after Vienot, Brettel and Mollon (1999): another model than the palette's."""
    linear = (colours / 255.0) ** 2.2
    matrices = [
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    ]
    return [255 * np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2) for matrix in matrices]


def closest(colours: NDArray[Any]) -> float:
    """The smallest distance between two of the colours."""
    lab = cielab(colours)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return float(apart[~np.eye(len(lab), dtype=bool)].min())


@pytest.mark.parametrize(("count", "apart"), [(7, 16), (12, 14), (20, 7)])
def test_the_first_colours_are_far_apart_for_colour_blind_eyes(count: int, apart: float) -> None:
    colours = palette(count)
    assert min(closest(seen) for seen in as_dichromats_see(colours)) > apart
    assert closest(colours) > apart


def test_a_thousand_classes_have_a_thousand_colours_and_the_first_stay() -> None:
    colours = palette(1000)
    assert len({tuple(colour) for colour in colours.tolist()}) == 1000
    assert colours[: len(OKABE_ITO)].tolist() == [list(colour) for colour in OKABE_ITO]
    for count in (1, 3, 20, 300):
        assert np.array_equal(palette(count), colours[:count])
    assert palette(9000).shape == (9000, 3)


def test_a_legend_has_what_occurs_by_area_and_tells_of_the_rest() -> None:
    colours = palette(5)
    counts = np.array([10, 0, 60, 10, 20])
    key = legend(counts, "abcde", colours)
    assert [(row.number, row.name, row.share) for row in key.rows] == [
        (3, "c", 0.6),
        (5, "e", 0.2),
        (1, "a", 0.1),
        (4, "d", 0.1),
    ]
    assert key.rows[0].colour == tuple(colours[2].tolist())
    short = legend(counts, "abcde", colours, most=2)
    assert (len(short.rows), short.more, round(short.more_share, 9)) == (2, 2, 0.2)
    assert legend(np.array([5]), "a", colours) == Legend((LegendRow(1, "a", OKABE_ITO[0], 1.0),), 0, 0.0)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100.0 %"),
        (0.9999, ">99.9 %"),
        (0.5, "50.0 %"),
        (0.0123, "1.2 %"),
        (0.0001, "<0.1 %"),
        (0, "0.0 %"),
    ],
)
def test_shares_never_round_to_nothing_or_to_all(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    "name", ["cat", "word " * 300, "猫" * 80, "x" * 5000, "مرحبا بالعالم " * 20, "🦊🐈" * 30]
)
def test_names_are_shortened_to_the_room_there_is(name: str) -> None:
    for room in (60, 200):
        short = shortened(name, room, 14)
        assert text_width(short, 14) <= room
        assert short == name or short.endswith("…")
    assert shortened("cat", 200, 14) == "cat"
    assert shortened("two\n lines", 200, 14) == "two lines"


def test_no_letter_becomes_an_empty_box() -> None:
    """U+10FFFD is in no font: its code point is written. Marks that are invisible alone are dropped."""
    spelt = text_width("[U+10FFFD]", 14)
    assert text_width("\U0010fffd", 14) == pytest.approx(spelt)
    assert text_width("a\U000e0001b", 14) == text_width("ab", 14)
    assert text_width("Straße кошка", 14) < 2 * text_width("Strasse koska", 14)


def test_text_is_drawn_where_it_is_asked_for() -> None:
    image = Image.new("RGB", (200, 40), "white")
    draw_text(ImageDraw.Draw(image), (20, 20), "Mmm \U0010fffd", 14, (0, 0, 0), BOLD)
    ink = np.argwhere(np.asarray(image.convert("L")) < 128)
    assert ink[:, 0].min() >= 10
    assert ink[:, 0].max() <= 30
    assert ink[:, 1].min() >= 20
    assert ink[:, 1].max() <= 20 + text_width("Mmm \U0010fffd", 14, BOLD) + 1
    assert PLAIN != BOLD


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((375, 500), (390, 520)),
        ((500, 375), (520, 390)),
        ((1, 1), (PANEL, PANEL)),
        ((4000, 6000), (347, 520)),
        ((17, 3000), (11, LONGEST)),
        ((3000, 17), (LONGEST, 11)),
        ((30, 1000), (24, 800)),
        ((1, 10_000), (1, LONGEST)),
    ],
)
def test_panels_keep_the_photos_shape(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert display_size(*size) == shown
    labels = np.arange(size[0] * size[1]).reshape(size)
    assert shown_labels(labels).shape == shown
    assert shown_photo(np.zeros((*size, 3), np.uint8)).shape == (*shown, 3)


def test_shown_labels_are_those_at_each_panel_pixels_centre() -> None:
    labels = np.array([[1, 2], [3, 4]])
    big = shown_labels(labels)
    half = PANEL // 2
    assert (big[:half, :half] == 1).all()
    assert (big[:half, half:] == 2).all()
    assert (big[half:, :half] == 3).all()
    wide = np.arange(2 * PANEL)[None].repeat(PANEL, 0)
    assert np.array_equal(shown_labels(wide)[0], np.arange(PANEL) * 2 + 1)


def test_a_class_has_its_colour_over_grey_whatever_the_photos_colour() -> None:
    labels = np.zeros((30, 30), int)
    labels[:, 15:] = 1
    red, blue = (np.full((30, 30, 3), colour, np.uint8) for colour in ([200, 0, 0], [0, 0, 255]))
    for photo in (red, blue):
        picture = np.asarray(tinted(photo, labels, palette(2))).astype(int)
        for column, colour in ((5, OKABE_ITO[0]), (25, OKABE_ITO[1])):
            rest = picture[5, column] - 0.62 * np.array(colour)
            assert rest.max() - rest.min() <= 1.5  # what is left is grey
        assert picture[5, 14].min() > picture[5, 5].min()  # a light line between the classes


def test_numbers_stand_inside_their_regions_and_only_where_they_fit() -> None:
    labels = np.zeros((60, 60), int)
    labels[20:50, 5:35] = 1
    labels[0, 0] = 2
    picture = Image.new("RGB", (60, 60), (90, 90, 90))
    number_regions(picture, labels, [2, 3])
    changed = np.argwhere((np.asarray(picture) != 90).any(-1))
    assert len(changed)
    assert (labels[changed[:, 0], changed[:, 1]] == 1).all()


def strip(size: tuple[int, int], num_classes: int, methods: int) -> Strip:
    """A photo of noise with random labels in blocks."""
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (*size, 3)).astype(np.uint8)
    labels = random.integers(0, num_classes, size)
    counts = np.bincount(labels.ravel(), minlength=num_classes)
    panel = Panel("method/variant " * 9, "weights: " + "w" * 200, True, shown_labels(labels), counts)
    return Strip("photo" * 50, "1 x 1 pixels", shown_photo(photo), (panel,) * methods)


@pytest.mark.parametrize("size", [(60, 80), (1, 1), (17, 3000), (3000, 17)])
@pytest.mark.parametrize(("num_classes", "methods"), [(1, 1), (6, 8), (1000, 3)])
def test_no_name_number_or_shape_breaks_the_layout(
    size: tuple[int, int], num_classes: int, methods: int
) -> None:
    names = [f"{index} ünïcödé 猫 " * 40 for index in range(num_classes)]
    sheet = draw_sheet([strip(size, num_classes, methods), strip((50, 50), num_classes, methods)], names)
    assert sheet.width <= SHEET + 2 * MARGIN
    pixels = np.asarray(sheet)
    for border in (pixels[:MARGIN], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:]):
        assert (border == 255).all()  # nothing is cut off at the sheet's edge


def test_pictures_need_no_torch() -> None:
    code = "import sys, benchbed.report.overlay, benchbed.report.shares; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
