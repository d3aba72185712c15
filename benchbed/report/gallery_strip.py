"""One image of a gallery as a strip for a README or a slide: photo, truth, a few methods and their errors, below 150 kB."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.report.error_maps import error_map
from benchbed.report.gallery import ShownImage, ShownPanel, occurring
from benchbed.report.gallery_sheet import draw_gallery
from benchbed.report.overlay import shown_labels

METHODS: Final = 4
SIDE: Final = (
    162  # pixels of a panel's longer side: five columns are some 900 wide, what a README shows unscaled
)
LARGEST: Final = 150_000  # bytes
COLOURS: Final = (
    256,
    128,
    64,
    32,
)  # of a palette, where all of them are too much: the first that is small enough


def strip_png(image: ShownImage, methods: int = METHODS, side: int = SIDE) -> bytes:
    """The strip as a PNG of at most 150 kB, or of the fewest colours.

    Args:
        image: of a gallery, its panels best method first. Of more than `methods` those at equal distances from first to last.
        methods: shown, at most.
        side: pixels of a panel's longer side.
    """
    sheet = draw_gallery([strip_image(image, methods, side)])
    content = _png(sheet)
    for colours in COLOURS:
        if len(content) <= LARGEST:
            break
        content = _png(sheet.quantize(colours, dither=Image.Dither.NONE))
    return content


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def strip_image(image: ShownImage, methods: int = METHODS, side: int = SIDE) -> ShownImage:
    """The image with fewer methods, at another size."""
    places = np.linspace(0, len(image.panels) - 1, min(methods, len(image.panels))).round().astype(int)
    truth = shown_labels(image.truth, side).astype(np.int32)
    panels = tuple(_smaller(image.panels[int(place)], truth, image.seen, side) for place in places)
    height, width = truth.shape
    photo = Image.fromarray(image.photo).resize((width, height), Image.Resampling.LANCZOS)
    classes = occurring(truth, [panel.labels for panel in panels], len(image.names))
    return replace(image, photo=np.asarray(photo), truth=truth, panels=panels, classes=classes)


def _smaller(panel: ShownPanel, truth: NDArray[np.integer], seen: NDArray[np.bool_], side: int) -> ShownPanel:
    labels = shown_labels(panel.labels, side).astype(np.int32)
    return replace(panel, labels=labels, errors=error_map(truth, labels, seen))
