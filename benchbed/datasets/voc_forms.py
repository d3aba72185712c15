"""PASCAL VOC 2012's other published forms: 21 classes with background, and the splits of ZS3Net."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.voc import DATASET, NAMES, UNSEEN

if TYPE_CHECKING:
    from benchbed.datasets.voc_reader import VocDataset

NAMES_21: Final = ("background", *NAMES)
"""In label order: mask value k is label k, as in mmsegmentation's PascalVOCDataset."""

# ZS3's zs3/train_pascal.py and zs3/data/pascal_voc_unseen_classes.txt: raw ids, each K adds two to the one before.
ZS3_UNSEEN: Final = (10, 14, 1, 18, 8, 20, 19, 5, 9, 16)
ZS3_SIZES: Final = (2, 4, 6, 8, 10)

_SPELLINGS: Final = MappingProxyType(
    {author: ("background", *names) for author, names in DATASET.spellings.items()}
    # zs3/exp_data.py, CLASSES_NAMES[:21].
    | {"zs3": tuple("table" if name == "diningtable" else name for name in NAMES_21)}
)
_WITH_BACKGROUND: Final = replace(
    DATASET,
    names=NAMES_21,
    background="a class of its own: mask value k is label k; 21 classes, not 20",
    spellings=_SPELLINGS,
    open_train="",
    like=DATASET.name,
)
_RULES: Final = (
    "Background competes at every pixel as a class, prompted by the word `background`; only void (255) is ignored",
    "Predictions on ignored pixels count for nothing, not even as false positives",
    "Label maps are compared at the image's original size, over the whole list at once, not per image",
)

VOC_21: Final = replace(
    _WITH_BACKGROUND,
    name="voc-21",
    title="PASCAL VOC 2012 val, 21 classes with background, 16 seen / 5 unseen",
    seen=tuple(name not in UNSEEN for name in NAMES_21),
    open="benchbed.datasets.voc_forms:open_voc_21",
    protocol_notes=(
        "SPNet's 5 unseen classes, with background as a 21st class that is seen, as in MaskCLIP+'s 21-class form",
        *_RULES,
        "Not comparable with `voc`, where background is ignored",
    ),
)


def _zs3(unseen: int) -> DatasetCard:
    names = tuple(NAMES_21[raw] for raw in ZS3_UNSEEN[:unseen])
    return replace(
        _WITH_BACKGROUND,
        name=f"voc-zs3-{unseen}",
        title=f"PASCAL VOC 2012 val, 21 classes with background, ZS3Net's split with {unseen} unseen",
        seen=tuple(name not in names for name in NAMES_21),
        open=f"benchbed.datasets.voc_forms:open_zs3_{unseen}",
        protocol_notes=(
            f"ZS3Net's split, K = {unseen}: unseen are {', '.join(names)}; not SPNet's split",
            *_RULES,
            "In training, ZS3Net leaves out every image that shows an unseen class; benchbed has no such training split",
            "ZS3Net averages over all classes, absent ones as 0: rule all-classes of `benchbed show`",
        ),
    )


ZS3_2, ZS3_4, ZS3_6, ZS3_8, ZS3_10 = (_zs3(unseen) for unseen in ZS3_SIZES)


def _open(card: DatasetCard, data_root: Path | None) -> VocDataset:
    """Open `val` under a form's rule; as `benchbed.datasets.voc.open_voc`."""
    from benchbed.datasets.voc_folder import find_voc
    from benchbed.datasets.voc_reader import VocDataset

    return VocDataset(find_voc(data_root), card=card)


open_voc_21: Final = partial(_open, VOC_21)
open_zs3_2: Final = partial(_open, ZS3_2)
open_zs3_4: Final = partial(_open, ZS3_4)
open_zs3_6: Final = partial(_open, ZS3_6)
open_zs3_8: Final = partial(_open, ZS3_8)
open_zs3_10: Final = partial(_open, ZS3_10)
