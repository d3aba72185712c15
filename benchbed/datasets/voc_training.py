"""Which of PASCAL VOC's training lists is there, and that nothing of val is on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchbed.datasets.voc_folder import VocFolder
from benchbed.errors import DataError

# The names that mmsegmentation's tools/dataset_converters/voc_aug.py gives to VOC's train plus SBD without val.
AUGMENTED: Final = "trainaug"
AUGMENTED_MASKS: Final = "SegmentationClassAug"
PLAIN: Final = "train"


def training_folder(folder: VocFolder) -> tuple[VocFolder, str]:
    """The folder with its training masks, and the name of the training list: `trainaug` or `train`.

    Raises:
        DataError: the list shares images with val, on which the trained method would be evaluated.
    """
    split = PLAIN
    if folder.list_file(AUGMENTED).is_file() and (folder.root / AUGMENTED_MASKS).is_dir():
        folder, split = replace(folder, masks=(AUGMENTED_MASKS, *folder.masks)), AUGMENTED
    if folder.list_file("val").is_file():
        _check_apart(folder, split)
    return folder, split


def _check_apart(folder: VocFolder, split: str) -> None:
    shared = sorted(set(folder.names(split)) & set(folder.names("val")))
    if shared:
        raise DataError(
            f"{folder.list_file(split)} names {len(shared):,} images of val ({', '.join(shared[:3])}): training on them "
            "would make every result on val worthless; take them out of the list"
        )
