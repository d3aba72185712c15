"""Where a prediction is wrong, and of which sort; and the hatching of pixels that nobody labelled."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RIGHT: Final = 0
WRONG: Final = 1
UNSEEN_AS_SEEN: Final = (
    2  # the bias of zero-shot methods: a class without training masks taken for one with them
)
IGNORED: Final = 3
WORDS: Final = {
    WRONG: "wrong",
    UNSEEN_AS_SEEN: "wrong: an unseen class taken for a seen one",
    IGNORED: "ignored: counts nowhere",
}
# Okabe and Ito's blue and vermillion: one cold and dark, one warm and light, to every eye.
COLOURS: Final = {WRONG: (0, 114, 178), UNSEEN_AS_SEEN: (213, 94, 0)}
HATCH_PAPER: Final = (246, 246, 246)
HATCH_INK: Final = (200, 200, 200)
HATCH_PERIOD: Final = 7  # pixels from stroke to stroke
HATCH_STROKE: Final = 2
_PALE: Final = 0.45  # of a photo's contrast, where a prediction is right or counts nowhere


def error_map(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """[h, w] of RIGHT, WRONG, UNSEEN_AS_SEEN and IGNORED.

    Args:
        truth: [h, w] class indices; K, the number of classes, where a pixel is ignored.
        prediction: [h, w] class indices.
        seen: [K].
    """
    known = np.append(seen, True)  # an ignored pixel is never an unseen class
    sorts = np.where(truth == prediction, RIGHT, WRONG).astype(np.uint8)
    sorts[(sorts == WRONG) & ~known[truth] & seen[prediction]] = UNSEEN_AS_SEEN
    sorts[truth == len(seen)] = IGNORED
    return sorts


def strokes(height: int, width: int) -> NDArray[np.bool_]:
    """[h, w]: diagonal lines."""
    return (np.arange(height)[:, None] + np.arange(width)) % HATCH_PERIOD < HATCH_STROKE


def hatched(picture: Image.Image, where: NDArray[np.bool_]) -> Image.Image:
    """The picture, [h, w] RGB, with grey diagonal lines on white where pixels are ignored."""
    pixels = np.array(picture)
    lines = strokes(*where.shape)
    pixels[where & ~lines] = HATCH_PAPER
    pixels[where & lines] = HATCH_INK
    return Image.fromarray(pixels)


def faded(picture: Image.Image, where: NDArray[np.bool_]) -> Image.Image:
    """The picture, [h, w] RGB, paler where pixels are ignored: what a method says there counts nowhere."""
    pixels = np.array(picture, np.float32)
    pixels[where] = 255 - _PALE * (255 - pixels[where])
    return Image.fromarray(pixels.round().astype(np.uint8))


def error_picture(photo: NDArray[np.uint8], sorts: NDArray[np.uint8]) -> Image.Image:
    """The photo, [h, w, 3], pale and grey, coloured where the prediction is wrong and hatched where pixels are ignored."""
    grey = np.asarray(Image.fromarray(photo).convert("L"), np.float32)[..., None].repeat(3, axis=2)
    pixels = 255 - _PALE * (255 - grey)
    for sort, colour in COLOURS.items():
        pixels[sorts == sort] = 0.75 * np.array(colour, np.float32) + 0.25 * pixels[sorts == sort]
    return hatched(Image.fromarray(pixels.round().astype(np.uint8)), sorts == IGNORED)
