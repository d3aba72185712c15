"""From the values that a label file stores to labels: one rule a layout, for files of 8 bits and of 16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.image_file import DAMAGE, damaged, opened, read_content
from benchbed.datasets.label_png import label_table, read_label_png, to_labels
from benchbed.errors import DataError

IGNORE_8: Final = 255
# What detectron2's 16-bit label maps of ADE20K-847 and PASCAL Context-459 have for unlabelled pixels (SAN's register files).
IGNORE_16: Final = 65535
_OUT_OF_RANGE: Final = 65534
_VALUES: Final = 65536


@dataclass(frozen=True, eq=False)
class LabelRule:
    """What a layout's label files store.

    Attributes:
        mapping: stored value -> label; ignored values map to `ignore`. Other values are errors.
        expected: the permitted values in words, for messages.
        ignore: the label of ignored pixels: 255 for 8-bit labels, 65535 for 16-bit ones.
    """

    mapping: Mapping[int, int]
    expected: str
    ignore: int = IGNORE_8

    @property
    def wide(self) -> bool:
        """Whether values or labels need 16 bits."""
        return self.ignore == IGNORE_16

    @cached_property
    def table(self) -> NDArray[np.integer]:
        """[256] uint8 or [65536] uint16: stored value -> label."""
        if not self.wide:
            return label_table(self.mapping)
        table = np.full(_VALUES, _OUT_OF_RANGE, np.uint16)
        table[list(self.mapping)] = list(self.mapping.values())
        return table

    def read(self, path: Path) -> NDArray[np.integer]:
        """Labels [H, W] of a file: uint8, or uint16 where the rule is wide.

        Raises:
            DataError: the file is missing, damaged, of another kind, or holds values out of range; the message names it.
        """
        if not self.wide:
            return to_labels(read_label_png(path), self.table.astype(np.uint8), self.expected)
        raw = read_wide(path)
        labels: NDArray[np.integer] = self.table[raw]
        outside = labels == _OUT_OF_RANGE
        if outside.any():
            values, counts = np.unique(raw[outside], return_counts=True)
            most = int(counts.argmax())
            others = f" (and {len(values) - 1} other such values)" if len(values) > 1 else ""
            raise DataError(
                f"{path} holds the label value {values[most]} in {counts[most]:,} pixels{others}: "
                f"expected {self.expected}; put the dataset's own mask there"
            )
        return labels


def counted_from(first: int, classes: int, ignored: tuple[int, ...], ignore: int = IGNORE_8) -> LabelRule:
    """The rule of masks whose value `first` is class 0, `first + 1` class 1 and so on, and where `ignored` are no class."""
    mapping = {first + label: label for label in range(classes)} | dict.fromkeys(ignored, ignore)
    words = ", ".join(map(str, ignored))
    return LabelRule(
        mapping, f"{first} to {first + classes - 1} (the classes) or {words} (ignored)", ignore=ignore
    )


def read_wide(path: Path) -> NDArray[np.uint16]:
    """Stored values [H, W] uint16 of a TIFF or PNG of one channel, 8 or 16 bits.

    Raises:
        DataError: the file is missing, damaged, a colour picture, or of another kind; the message names it.
    """
    content = read_content(path)
    try:
        with opened(content) as image:
            kind, mode = image.format, image.mode
            values = np.array(image)
    except DAMAGE as error:
        raise damaged(path, content, error) from error
    if kind not in ("PNG", "TIFF"):
        raise DataError(
            f"{path} is a {kind} file: lossy or foreign formats change label values; a 16-bit TIFF or PNG is expected; "
            "put the dataset's own mask there"
        )
    if values.ndim != 2 or values.dtype.kind not in "iu" or mode == "1":
        raise DataError(
            f"{path} is a picture of mode {mode}: one channel of label indices, 8 or 16 bits, is expected; "
            "put the dataset's own mask there"
        )
    if values.size and not 0 <= values.min() <= values.max() < _VALUES:
        raise DataError(
            f"{path} holds values from {values.min()} to {values.max()}: 0 to 65535 are expected; "
            "put the dataset's own mask there"
        )
    return values.astype(np.uint16)
