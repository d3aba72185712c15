"""Photos and label maps of the same names in two folders: where they are, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from benchbed.datasets.id_list import read_ids
from benchbed.datasets.label_rule import LabelRule
from benchbed.datasets.lacking import LackingFiles
from benchbed.errors import DataError

_SHOWN: Final = 3


@dataclass(frozen=True)
class PairLayout:
    """One way in which people lay a split out below the data root.

    Attributes:
        images, masks: folders below the root.
        rule: what the label files store.
        mask_ending: what follows an id in a label file's name.
        photo_endings: what may follow an id in a photo's name.
        ids: which images belong to the split: those with a photo, those with a label map, or those of `list_file`.
        list_file: a file below the root with one id a line, for `ids="list"`.
        begins: photos and label maps of other beginnings belong to another split.
    """

    images: str
    masks: str
    rule: LabelRule
    mask_ending: str = ".png"
    photo_endings: tuple[str, ...] = (".jpg",)
    ids: Literal["photos", "masks", "list"] = "photos"
    list_file: str = ""
    begins: str = ""


@dataclass(frozen=True)
class PairFolder:
    """A split in one layout, whole or in part.

    Attributes:
        root: the folder that the layout's folders lie below.
        layout: the layout.
        how_to_get: where a person gets what is missing, one sentence.
    """

    root: Path
    layout: PairLayout
    how_to_get: str

    @property
    def images(self) -> Path:
        """The folder with the photos."""
        return self.root / self.layout.images

    @property
    def masks(self) -> Path:
        """The folder with the label maps."""
        return self.root / self.layout.masks

    def image(self, name: str) -> Path:
        """The photo of an id; where there is none, the file that is missing."""
        found = self._photos.get(name)
        return self.images / (found[0] if found else f"{name}{self.layout.photo_endings[0]}")

    def mask(self, name: str) -> Path:
        """The label map of an id."""
        return self.masks / f"{name}{self.layout.mask_ending}"

    def names(self) -> tuple[str, ...]:
        """The ids of the split: in the list's order, or sorted.

        Raises:
            DataError: the list is missing or malformed, or there is no file at all.
        """
        if self.layout.ids == "list":
            return read_ids(self.root / self.layout.list_file, self.how_to_get)
        found = self._photos if self.layout.ids == "photos" else self._masks
        if not found:
            place, kind = (
                (self.images, self.layout.photo_endings[0])
                if self.layout.ids == "photos"
                else (self.masks, self.layout.mask_ending)
            )
            raise DataError(f"{place} holds no file {self.layout.begins}*{kind}: {self.how_to_get}")
        return tuple(sorted(found))

    def file_sizes(self, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
        """Bytes of photo and label map of each id.

        Raises:
            LackingFiles: an id has no photo or no label map.
        """
        each = [line for name in names for line in self._what_lacks(name)]
        if each:
            rest = f"; and {len(each) - _SHOWN} more" if len(each) > _SHOWN else ""
            raise LackingFiles(
                f"{self.root} lacks {len(each):,} files of {len(names):,} images: {'; '.join(each[:_SHOWN])}{rest}; "
                "copy the missing files there",
                each,
            )
        return tuple((self._photos[name][1], self._masks[name][1]) for name in names)

    def _what_lacks(self, name: str) -> Iterator[str]:
        if name not in self._photos:
            yield f"{name} has no photo {self.image(name)}"
        if name not in self._masks:
            yield f"{name} has no label map {self.mask(name)}"

    @cached_property
    def _photos(self) -> dict[str, tuple[str, int]]:
        return _files(self.images, self.layout.begins, self.layout.photo_endings)

    @cached_property
    def _masks(self) -> dict[str, tuple[str, int]]:
        return _files(self.masks, self.layout.begins, (self.layout.mask_ending,))


def _files(folder: Path, begins: str, endings: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Name and bytes of each regular file of this kind, by its id; the first of `endings` wins where several fit."""
    found: dict[str, tuple[str, int]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                ending = next((each for each in endings if entry.name.endswith(each)), None)
                if ending is None or not entry.name.startswith(begins) or not entry.is_file():
                    continue
                found.setdefault(entry.name.removesuffix(ending), (entry.name, entry.stat().st_size))
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror}; give the folder read permission"
        ) from error
    return found
