"""Find one split of COCO-Stuff on disk, in any of the layouts people unpack it to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.datasets.lacking import LackingFiles
from benchbed.errors import DataError, MissingError

PAGE: Final = "https://github.com/nightrome/cocostuff#downloads"
# Photos and label maps below the data root, for split "val" or "train".
LAYOUTS: Final = (
    ("{}2017", "stuffthingmaps/{}2017"),  # zsseg, ZegFormer, SAN: the archives unpacked side by side
    ("images/{}2017", "annotations/{}2017"),  # nightrome/cocostuff's README, mmsegmentation
    ("images/{}2017", "stuffthingmaps/{}2017"),
    ("{}_img", "{}_label"),  # the sample images of NVlabs/SPADE
)
_SHOWN: Final = 3


@dataclass(frozen=True)
class CocoStuffFolder:
    """One split of COCO-Stuff, whole or in part.

    Attributes:
        root: the data root that has it.
        split: "val" or "train".
        images: the folder with the photos, 000000000139.jpg and so on.
        masks: the folder with the label maps of the same names, .png.
    """

    root: Path
    split: str
    images: Path
    masks: Path

    def image(self, name: str) -> Path:
        """The photo of an id."""
        return self.images / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        """The label map of an id."""
        return self.masks / f"{name}.png"

    def file_sizes(self) -> dict[str, tuple[int, int]]:
        """Bytes of photo and label map of each id that has a photo, in the order of the ids.

        Raises:
            DataError: there is no photo, a photo has no label map, or a folder cannot be read.
        """
        images, masks = _sizes_in(self.images, ".jpg"), _sizes_in(self.masks, ".png")
        if not images:
            raise DataError(f"{self.images} holds no photo (*.jpg): {_how_to_get(self.split)}")
        lacking = sorted(images.keys() - masks.keys())
        if lacking:
            rest = f"; and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            each = [f"{name} has {self.image(name)} but no {self.mask(name)}" for name in lacking]
            raise LackingFiles(
                f"{self.images} holds {len(images):,} photos, of which {len(lacking):,} lack a label map: "
                f"{'; '.join(each[:_SHOWN])}{rest}; copy the missing label maps there from stuffthingmaps_trainval2017.zip",
                each,
            )
        return {name: (images[name], masks[name]) for name in sorted(images)}


def find_coco_stuff(data_root: Path | None, split: str) -> CocoStuffFolder:
    """Find the photos and label maps of a split, "val" or "train".

    Args:
        data_root: a folder with one of `LAYOUTS`, or one whose subfolder `coco-stuff` or `coco` has it; None for
            `$BENCHBED_DATA`.
        split: "val" or "train".

    Raises:
        MissingError: `data_root` is None and `$BENCHBED_DATA` has no COCO-Stuff.
        DataError: `data_root` is not there, or lacks the photos or label maps of this split.
    """
    start = (data_root or _from_environment(split)).expanduser()
    halves = []
    for folder in _candidates(start, split):
        there = (folder.images.is_dir(), folder.masks.is_dir())
        if all(there):
            return folder
        if any(there):
            halves.append(folder)
    if halves:
        raise _half(halves[0])
    raise _nothing_there(start, split, data_root)


def _from_environment(split: str) -> Path:
    root = os.environ.get("BENCHBED_DATA", "")
    if not root:
        raise MissingError(
            f"dataset coco-stuff needs COCO-Stuff 164k, and no --data-root was given: {_how_to_get(split)} "
            "(or set BENCHBED_DATA to a folder whose subfolder coco-stuff holds them)"
        )
    return Path(root)


def _candidates(start: Path, split: str) -> Iterator[CocoStuffFolder]:
    for base in (start, start / "coco-stuff", start / "coco"):
        for images, masks in LAYOUTS:
            yield CocoStuffFolder(base, split, base / images.format(split), base / masks.format(split))


def _half(folder: CocoStuffFolder) -> DataError:
    present, absent = folder.images, folder.masks
    if folder.masks.is_dir():
        present, absent = absent, present
    return DataError(f"{present} is there but no {absent}: {_how_to_get(folder.split)}")


def _nothing_there(start: Path, split: str, data_root: Path | None) -> MissingError:
    where = f"--data-root {start}" if data_root else f"BENCHBED_DATA={start}"
    kind = DataError if data_root else MissingError
    if not start.is_dir():
        found = "is a file" if start.is_file() else "does not exist"
        return kind(f"{where} {found}: a folder that holds {split}2017 is expected; {_how_to_get(split)}")
    try:
        held = sorted(entry.name for entry in start.iterdir())
    except OSError as error:
        return kind(
            f"{where} cannot be read: {error.strerror}; give the folder read permission or pass another"
        )
    shown = ", ".join(held[:_SHOWN]) + (", ..." if len(held) > _SHOWN else "") if held else "nothing"
    return kind(
        f"{where} holds {shown}, but no {split}2017 beside stuffthingmaps/{split}2017; {_how_to_get(split)}"
    )


def _how_to_get(split: str) -> str:
    return (
        f"get {split}2017.zip and stuffthingmaps_trainval2017.zip from {PAGE}, unpack the first in a folder and the second "
        "in its subfolder stuffthingmaps, and pass that folder as --data-root"
    )


def _sizes_in(folder: Path, ending: str) -> dict[str, int]:
    """Bytes of each regular file with this ending, by its name without it."""
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name.removesuffix(ending): entry.stat().st_size
                for entry in entries
                if entry.name.endswith(ending) and entry.is_file()
            }
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror}; give the folder read permission"
        ) from error
