"""PASCAL Context with all its 459 classes: the card, and how to open it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets import pascal_context_59
from benchbed.datasets.pascal_context_archives import how_to_get
from benchbed.datasets.pascal_context_classes import NAMES_459, spelt

if TYPE_CHECKING:
    from benchbed.datasets.pair_reader import PairDataset

IGNORE: Final = 65535
# MaskCLIP's tools/maskclip_utils/prompt_engineering.py; SAN's and DeOP's names are the official ones.
_MASKCLIP: Final = spelt(NAMES_459, aeroplane="airplane", pottedplant="potted plant", tvmonitor="tv monitor")

DATASET: Final = replace(
    pascal_context_59.DATASET,
    name="pascal-context-459",
    title="PASCAL Context val, all 459 classes",
    names=NAMES_459,
    seen=(False,) * len(NAMES_459),
    open="benchbed.datasets.pascal_context_459:open_val",
    layout=(
        "pcontext_full (or the folder above it) with val/image (*.jpg) beside val/label (*.tif, 16 bits, 0 to 458 and 65535), as "
        "in SAN; or VOCdevkit/VOC2010 with JPEGImages beside annotations_detectron2/pc459_val (*.tif), as in OVSeg; a part works"
    ),
    protocol_notes=(
        "No zero-shot split: tested across datasets; no class is marked as seen, so mIoU is the figure to compare",
        "114 of the 459 classes have no pixel in val: mIoU differs by points between the rules for absent classes (12.6 or 16.7 "
        "for the same SAN ViT-B/16); compare figures of one rule only",
        "All 459 classes compete, `unknown` among them, as in SAN",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "Label maps are compared at the image's original size, over the whole list at once, not per image",
    ),
    background="no background class: every pixel has one of the 459 classes; only 65535 is ignored",
    ignore=IGNORE,
    spellings=MappingProxyType({"maskclip": _MASKCLIP}),
    convert="benchbed.datasets.pascal_context_convert:convert_459",
)


def open_val(data_root: Path | None) -> PairDataset:
    """Open the validation images that are there; labels are uint16, 65535 ignored.

    Args:
        data_root: a folder with one of the card's layouts, or one whose subfolder `pascal-context-459` has it; None for
            `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no PASCAL Context of 459 classes.
        DataError: the folder is missing in part.
    """
    from benchbed.datasets.label_rule import counted_from
    from benchbed.datasets.pair_folder import PairLayout
    from benchbed.datasets.pair_reader import PairDataset
    from benchbed.datasets.pair_search import find_pairs

    rule = counted_from(0, len(NAMES_459), ignored=(IGNORE,), ignore=IGNORE)
    layouts = (
        PairLayout("val/image", "val/label", rule, mask_ending=".tif"),
        PairLayout("JPEGImages", "annotations_detectron2/pc459_val", rule, mask_ending=".tif", ids="masks"),
    )
    prefixes = ("pcontext_full", "VOCdevkit/VOC2010", "VOC2010")
    how = how_to_get(DATASET.name)
    return PairDataset(DATASET, find_pairs(data_root, DATASET, prefixes, layouts, how))
