"""The 847 classes of ADE20K's full release that the field evaluates on, and their ids there."""

from __future__ import annotations

from importlib.resources import files
from typing import Final


def _rows() -> tuple[tuple[int, str], ...]:
    text = (files("benchbed") / "data" / "ade20k-847.tsv").read_text(encoding="utf-8")
    pairs = (line.split("\t", 1) for line in text.splitlines())
    return tuple((int(number), name) for number, name in pairs)


# One line a class, in label order: the id in the release of 2021_17_01, which counts from 1, and the name with its synonyms;
# the facts are those of MaskFormer's and SAN's register_ade20k_full.py, which agree.
_ROWS: Final = _rows()
RELEASE_IDS: Final = tuple(number for number, _ in _ROWS)
"""The id, as the release's `_seg.png` files encode it, of each label."""
NAMES: Final = tuple(name for _, name in _ROWS)
"""In label order, synonyms included: `road, route`."""
