"""Two label maps as runs of equal pixel pairs: what makes counting fast without leaving numpy.

Label maps are made of blobs, so a map of 375 x 500 pixels has some thousand runs, not 187,500 different
things to count. Counting runs instead of pixels also avoids what bounds a plain histogram, adding to the same
bin time after time (performance.md, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]

# Pixels a word of the coarse search: one uint32 holds four boolean flags. Eight were slower on smooth maps and no
# faster on noisy ones (AMD EPYC, numpy 2.4).
_WORD = 4


@dataclass(frozen=True, slots=True)
class Runs:
    """Maximal runs of pixels, in row-major order, over which both maps are constant.

    Attributes:
        prediction: the predicted label of each run, `[R]`, in the dtype of the map.
        truth: the ground-truth label of each run, `[R]`, in the dtype of the map.
        length: pixels in each run, `[R]` float64 (what a weighted bincount wants; exact below 2**53 pixels).
    """

    prediction: IntArray
    truth: IntArray
    length: NDArray[np.float64]


def runs_of(prediction: IntArray, truth: IntArray) -> Runs:
    """The runs of two integer maps of the same shape and at least one pixel, `[H, W]` each."""
    flat_prediction, flat_truth = prediction.ravel(), truth.ravel()
    ends = _positions(_end_flags(flat_prediction, flat_truth))
    length = np.empty(ends.size)
    length[0] = ends[0] + 1
    np.subtract(ends[1:], ends[:-1], out=length[1:])
    return Runs(flat_prediction.take(ends), flat_truth.take(ends), length)


def _end_flags(prediction: IntArray, truth: IntArray) -> NDArray[np.bool_]:
    """True where a run ends, filled up with False to whole words, `[n rounded up]`."""
    size = prediction.size
    flags = np.empty(-(-size // _WORD) * _WORD, bool)
    flags[size - 1 :] = False
    flags[size - 1] = True
    inner = flags[: size - 1]
    np.not_equal(prediction[1:], prediction[:-1], out=inner)
    np.logical_or(inner, truth[1:] != truth[:-1], out=inner)
    return flags


def _positions(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """`flags.nonzero()[0]`, up to twice as fast: first the words that hold a flag, then the flags in them.

    Where fewer than a tenth of the flags are set, numpy jumps from one to the next, and every jump is a
    mispredicted branch (PyArray_Nonzero, numpy/_core/src/multiarray/item_selection.c); within the chosen
    words at least a quarter are set and numpy takes its branch-free loop.
    """
    words = flags.view(np.uint32)
    busy = (words != 0).nonzero()[0]
    inner = words[busy].view(bool).nonzero()[0]
    busy *= _WORD
    positions: NDArray[np.intp] = busy[inner >> 2]
    inner &= _WORD - 1
    positions += inner
    return positions
