"""Find photos and label maps in the first of several layouts that is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.pair_folder import PairFolder, PairLayout
from benchbed.errors import DataError, MissingError

_SHOWN: Final = 3


def find_pairs(
    data_root: Path | None,
    card: DatasetCard,
    prefixes: Sequence[str],
    layouts: Sequence[PairLayout],
    how_to_get: str,
) -> PairFolder:
    """Find a dataset in the first of its layouts that is there.

    Args:
        data_root: a folder with one of the layouts, itself or below one of `prefixes`; or None for `$BENCHBED_DATA`.
        card: of the dataset, whose name or `folder_name` may also be a subfolder's.
        prefixes: folders that may lie between the root and a layout, such as "VOCdevkit/VOC2010".
        layouts: tried in this order.
        how_to_get: for messages.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has none of the layouts.
        DataError: the folder is not there, or holds a layout in part.
    """
    start = (data_root or _from_environment(card.name, how_to_get)).expanduser()
    bases = dict.fromkeys((start, start / card.name, start / card.folder_name))
    halves = []
    for base, prefix, layout in product(bases, ("", *prefixes), layouts):
        folder = PairFolder(base / prefix, layout, how_to_get)
        photos = _holds(folder.images, layout.begins, layout.photo_endings)
        masks = _holds(folder.masks, layout.begins, (layout.mask_ending,))
        if photos and masks:
            return folder
        if photos or masks:
            halves.append(_half(folder, photos))
    if halves:
        raise halves[0]
    raise _nothing_there(start, layouts, how_to_get, data_root)


def _from_environment(name: str, how_to_get: str) -> Path:
    root = os.environ.get("BENCHBED_DATA", "")
    if not root:
        raise MissingError(
            f"dataset {name} needs its photos and label maps, and no --data-root was given: {how_to_get} "
            f"(or set BENCHBED_DATA to a folder whose subfolder {name} holds them)"
        )
    return Path(root)


def _holds(folder: Path, begins: str, endings: tuple[str, ...]) -> bool:
    """Whether at least one file of this kind is there; stops at the first."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.startswith(begins) and entry.name.endswith(endings) for entry in entries)
    except OSError:
        return False


def _half(folder: PairFolder, photos: bool) -> DataError:
    layout = folder.layout
    present, absent = (folder.images, f"{folder.masks}/{layout.begins}*{layout.mask_ending}")
    if not photos:
        present, absent = folder.masks, f"{folder.images}/{layout.begins}*{layout.photo_endings[0]}"
    return DataError(f"{present} is there but no {absent}: {folder.how_to_get}")


def _nothing_there(
    start: Path, layouts: Sequence[PairLayout], how_to_get: str, data_root: Path | None
) -> MissingError:
    where = f"--data-root {start}" if data_root else f"BENCHBED_DATA={start}"
    kind = DataError if data_root else MissingError
    if not start.is_dir():
        found = "is a file" if start.is_file() else "does not exist"
        return kind(f"{where} {found}: a folder that holds {layouts[0].images} is expected; {how_to_get}")
    try:
        held = sorted(entry.name for entry in start.iterdir())
    except OSError as error:
        return kind(
            f"{where} cannot be read: {error.strerror}; give the folder read permission or pass another"
        )
    shown = ", ".join(held[:_SHOWN]) + (", ..." if len(held) > _SHOWN else "") if held else "nothing"
    pairs = ", nor ".join(f"{each.images} beside {each.masks} (*{each.mask_ending})" for each in layouts)
    return kind(f"{where} holds {shown}, but no {pairs}; {how_to_get}")
