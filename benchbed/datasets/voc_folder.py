"""Find PASCAL VOC 2012 on disk and read its list; whatever is missing is said at once, before any run."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.datasets.id_list import read_ids
from benchbed.datasets.lacking import LackingFiles
from benchbed.errors import DataError, MissingError

TAR: Final = "VOCtrainval_11-May-2012.tar"
PAGE: Final = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
HOW_TO_GET: Final = (
    f"run `benchbed data get voc --to DIR`, or get {TAR} (2 GB) from {PAGE}, unpack it with `tar xf {TAR}`, "
    "and pass the folder that then holds VOCdevkit as --data-root"
)
PARTS: Final = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
_SHOWN: Final = 3


@dataclass(frozen=True)
class VocFolder:
    """The folder `VOC2012` of a VOCdevkit, whole or in part.

    Attributes:
        root: the folder that holds JPEGImages, SegmentationClass and ImageSets.
        masks: folders with label maps, below `root`; the first that has an id's is taken.
    """

    root: Path
    masks: tuple[str, ...] = ("SegmentationClass",)

    def image(self, name: str) -> Path:
        """The photo of an id."""
        return self.root / "JPEGImages" / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        """The label map of an id; where no folder has it, the first folder's file, which is then missing."""
        paths = [self.root / folder / f"{name}.png" for folder in self.masks]
        return next((path for path in paths[:-1] if path.is_file()), paths[-1])

    def list_file(self, split: str) -> Path:
        """The list of a split's ids."""
        return self.root / "ImageSets" / "Segmentation" / f"{split}.txt"

    def names(self, split: str) -> tuple[str, ...]:
        """The ids that the split's list names, in its order.

        Blank lines, Windows line ends, spaces around an id and a byte order mark are tolerated.

        Raises:
            DataError: the list is missing, unreadable, empty, has duplicates or lines that are no ids.
        """
        return read_ids(self.list_file(split), HOW_TO_GET)

    def file_sizes(self, names: Sequence[str], split: str) -> tuple[tuple[int, int], ...]:
        """Bytes of the image and of the mask of each id.

        Raises:
            LackingFiles: the list names an id whose image or mask is not there; the message has the first three
                and the count, `each` all of them.
        """
        sizes = [(_bytes_of(self.image(name)), _bytes_of(self.mask(name))) for name in names]
        lacking = [(name, pair) for name, pair in zip(names, sizes, strict=True) if None in pair]
        if lacking:
            each = [self._what_lacks(name, pair) for name, pair in lacking]
            rest = f"; and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            raise LackingFiles(
                f"{self.list_file(split)} names {len(names):,} images, of which {len(lacking):,} lack a file: "
                f"{'; '.join(each[:_SHOWN])}{rest}; copy the missing files there, or take these ids out of the list",
                each,
            )
        return tuple((image or 0, mask or 0) for image, mask in sizes)

    def _what_lacks(self, name: str, pair: tuple[int | None, int | None]) -> str:
        image, mask = self.image(name), self.mask(name)
        if pair == (None, None):
            return f"{name} has neither {image} nor {mask}"
        present, absent = (mask, image) if pair[0] is None else (image, mask)
        return f"{name} has {present} but no {absent}"


def find_voc(data_root: Path | None) -> VocFolder:
    """Find the folder VOC2012.

    Args:
        data_root: the folder that holds VOCdevkit, VOCdevkit itself, or VOC2012 itself; a folder whose
            subfolder `voc` is one of these; or None for `$BENCHBED_DATA`.

    Raises:
        MissingError: `data_root` is None and `$BENCHBED_DATA` has no VOC.
        DataError: `data_root` is not there, holds no VOC 2012, or only a part of its folders.
    """
    given = data_root or _from_environment()
    start = given.expanduser()
    found = next((place for place in _candidates(start) if any(_has(place, part) for part in PARTS)), None)
    if found is None:
        raise _nothing_there(start, data_root)
    year = re.fullmatch(r"VOC(20\d\d)", found.resolve().name)
    if year and year[1] != "2012":
        raise DataError(
            f"{found} is PASCAL VOC {year[1]}: VOC 2012 is expected, its splits differ; {HOW_TO_GET}"
        )
    missing = [part for part in PARTS if not _has(found, part)]
    if missing:
        lacks, expected = " and no ".join(missing), ", ".join(PARTS)
        raise DataError(f"{found} has no {lacks}: expected the folders {expected}; {HOW_TO_GET}")
    return VocFolder(found)


def _from_environment() -> Path:
    root = os.environ.get("BENCHBED_DATA", "")
    if not root:
        raise MissingError(
            f"dataset voc needs PASCAL VOC 2012, and no --data-root was given: {HOW_TO_GET} "
            "(or set BENCHBED_DATA to a folder whose subfolder voc holds it)"
        )
    return Path(root)


def _candidates(start: Path) -> Iterator[Path]:
    for base in (start, start / "voc"):
        yield from (base / "VOCdevkit" / "VOC2012", base / "VOC2012", base)


def _has(place: Path, part: str) -> bool:
    return (place / part).is_dir()


def _nothing_there(start: Path, data_root: Path | None) -> MissingError:
    where = f"--data-root {start}" if data_root else f"BENCHBED_DATA={start}"
    kind = DataError if data_root else MissingError
    if start.is_file():
        return kind(f"{where} is a file: a folder that holds VOCdevkit is expected; {HOW_TO_GET}")
    if not start.is_dir():
        return kind(f"{where} does not exist: a folder that holds VOCdevkit is expected; {HOW_TO_GET}")
    try:
        held = sorted(entry.name for entry in start.iterdir())
    except OSError as error:
        return kind(
            f"{where} cannot be read: {error.strerror}; give the folder read permission or pass another"
        )
    shown = ", ".join(held[:_SHOWN]) + (", ..." if len(held) > _SHOWN else "") if held else "nothing"
    return kind(f"{where} holds {shown}, but no VOCdevkit/VOC2012 with {', '.join(PARTS)}; {HOW_TO_GET}")


def _bytes_of(path: Path) -> int | None:
    """Size of a regular file, bytes; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
