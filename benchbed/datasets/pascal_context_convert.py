"""PASCAL Context's MATLAB files of 459 classes to the label files that the readers, mmsegmentation and OVSeg take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.datasets.id_list import read_ids
from benchbed.datasets.pascal_context_archives import LABELS, PAGE
from benchbed.datasets.pascal_context_classes import IDS_59, NAMES_459
from benchbed.datasets.whole_file import write_picture, write_text
from benchbed.errors import DataError

_VOC: Final = "VOCdevkit/VOC2010"
_MATS: Final = "trainval"
_TO_59: Final = np.zeros(len(NAMES_459) + 1, np.uint8)
_TO_59[list(IDS_59)] = np.arange(1, len(IDS_59) + 1)


def convert_59(folder: Path, split: str) -> None:
    """Write `SegmentationClassContext/*.png`, 0 to 59, and the list that mmsegmentation's dataset reads.

    Args:
        folder: holds VOCdevkit/VOC2010 with the photos, lists and `trainval/*.mat`.
        split: "val" or "train".

    Raises:
        DataError: files are missing, or are not PASCAL Context's.
    """
    root = folder / _VOC
    ids = _convert(root, split, "SegmentationClassContext", ".png", lambda ids_459: _TO_59[ids_459])
    write_text(
        root / "ImageSets" / "SegmentationContext" / f"{split}.txt", "".join(f"{name}\n" for name in ids)
    )


def convert_459(folder: Path, split: str) -> None:
    """Write `annotations_detectron2/pc459_{split}/*.tif`: 16 bits, id - 1, so that 0 becomes 65535. As `convert_59`."""
    target = f"annotations_detectron2/pc459_{split}"
    _convert(folder / _VOC, split, target, ".tif", lambda ids_459: ids_459.astype(np.uint16) - np.uint16(1))


def _convert(
    root: Path,
    split: str,
    target: str,
    ending: str,
    rule: Callable[[NDArray[np.integer]], NDArray[np.integer]],
) -> list[str]:
    """Convert what is there of a split; files already written are left alone. Returns the ids."""
    _check_classes(root)
    listed = read_ids(root / "ImageSets" / "Main" / f"{split}.txt", f"unpack VOC 2010 there ({PAGE})")
    ids = [name for name in listed if (root / _MATS / f"{name}.mat").is_file()]
    if not ids:
        raise DataError(
            f"{root / _MATS} has none of the {len(listed):,} files of {split}, such as {listed[0]}.mat: "
            f"unpack {LABELS.file} from {PAGE} in {root}"
        )
    for name in ids:
        path = root / target / f"{name}{ending}"
        if not path.is_file():
            write_picture(path, Image.fromarray(rule(label_map(root / _MATS / f"{name}.mat"))))
    return ids


def label_map(path: Path) -> NDArray[np.integer]:
    """The ids [H, W] of a MATLAB file, 0 to 459.

    Raises:
        DataError: the file is damaged, lacks `LabelMap`, or holds other ids.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many kinds on damaged files, zlib's and its own among them
        raise DataError(
            f"{path} is not a whole MATLAB file ({error}); copy it again from {LABELS.file}"
        ) from error
    ids = content.get("LabelMap")
    if not isinstance(ids, np.ndarray) or ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise DataError(f"{path} has no LabelMap of whole numbers; copy it again from {LABELS.file}")
    if ids.size and not 0 <= ids.min() <= ids.max() <= len(NAMES_459):
        raise DataError(
            f"{path} holds ids from {ids.min()} to {ids.max()}: 0 to {len(NAMES_459)} are expected; "
            f"copy it again from {LABELS.file}"
        )
    return ids


def _check_classes(root: Path) -> None:
    """The archive's own class list, where it is there, must be the one that the labels are read by."""
    path = root / "labels.txt"
    if not path.is_file():
        return
    pairs = [line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines() if ":" in line]
    found = {int(number): name.strip() for number, name in pairs if number.strip().isdigit()}
    expected = dict(enumerate(NAMES_459, 1))
    wrong = next(
        (number for number in expected if _plain(found.get(number, "")) != _plain(expected[number])), None
    )
    if wrong is not None:
        raise DataError(
            f"{path} calls class {wrong} {found.get(wrong)!r}, {expected[wrong]!r} is expected: this is another release; "
            f"unpack {LABELS.file} from {PAGE} there"
        )


def _plain(name: str) -> str:
    return name.replace(" ", "").lower()
