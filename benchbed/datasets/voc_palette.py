"""The colours of PASCAL VOC's masks, and what they give away about a mask whose indices were shuffled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.label_png import LabelPng
from benchbed.errors import DataError


def voc_palette() -> NDArray[np.uint8]:
    """[256, 3] uint8: the colour of each raw value, by the rule of the VOC development kit's `VOCcolormap.m`.

    Bits 0, 1, 2 of the index are the top bits of red, green, blue; bits 3, 4, 5 the next ones, and so on.
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = (index >> (3 * place + channel)) & 1
            palette[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return palette


# Raw values that a VOC mask may hold: 0 background, 1..20 classes, 255 void.
_USED = [*range(21), 255]
_PALETTE = voc_palette()
_INDEX_OF = {tuple(colour): raw for raw, colour in zip(_USED, _PALETTE[_USED].tolist(), strict=True)}


def check_palette(mask: LabelPng) -> None:
    """Refuse a mask whose colours are VOC's but stand at other indices: a PNG optimiser sorted its palette.

    Such a file looks right in every viewer while its labels are wrong. Evidence is only that every colour in
    use is one of VOC's and one of them is at another's index; black is none, as unused palette entries are
    often padded with it. A mask with other colours, or with no palette, passes. Call it on masks whose values
    are in range.

    Raises:
        DataError: a used index has the VOC colour of another index; the message names both and the file.
    """
    if mask.palette is None or np.array_equal(mask.palette, _PALETTE):
        return
    used = [index for index in np.unique(mask.indices).tolist() if index < len(mask.palette)]
    colours = [tuple(mask.palette[index].tolist()) for index in used]
    if not all(colour in _INDEX_OF for colour in colours):
        return
    for index, colour in zip(used, colours, strict=True):
        if _INDEX_OF[colour] not in (0, index):
            raise DataError(
                f"{mask.path} stores index {index} for the colour {colour}, "
                f"which VOC has at {_INDEX_OF[colour]}: a tool re-ordered its palette; put the dataset's own mask there"
            )
