"""PASCAL Context with its 59 most frequent classes: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.dataset import DatasetCard
from benchbed.datasets.pascal_context_archives import LABELS, PAGE, PHOTOS, how_to_get
from benchbed.datasets.pascal_context_classes import NAMES_59, spelt

if TYPE_CHECKING:
    from benchbed.datasets.pair_reader import PairDataset

# The pictures of ImageSets/Main/val.txt of VOC 2010; lists made with the Detail API have 5,104.
VAL_SIZE: Final = 5105
# SAN's and zsseg's register_pcontext.py, DeOP's dossier; MaskCLIP's tools/maskclip_utils/prompt_engineering.py.
_DETECTRON2: Final = spelt(NAMES_59, table="diningtable")
_MASKCLIP: Final = spelt(NAMES_59, aeroplane="airplane", pottedplant="potted plant", tvmonitor="tv monitor")

DATASET: Final = DatasetCard(
    name="pascal-context-59",
    title="PASCAL Context val, 59 classes, background ignored",
    names=NAMES_59,
    seen=(False,) * len(NAMES_59),
    full_size=VAL_SIZE,
    split="val",
    open="benchbed.datasets.pascal_context_59:open_val",
    source=f"{PAGE} : {LABELS.file} (31 MB), and {PHOTOS.page} : {PHOTOS.file} (1.3 GB)",
    layout=(
        "VOCdevkit/VOC2010 (or a folder above or below it) with JPEGImages, SegmentationClassContext (*.png, 0 to 59) and "
        "ImageSets/SegmentationContext/val.txt, as in mmsegmentation; or pcontext with val/image beside val/label (*.png, 0 to "
        "58 and 255), as in SAN and zsseg; not OVSeg's pc59_val, whose classes have another order; a part works"
    ),
    terms="photos from Flickr, under Flickr's terms of use; annotations by PASCAL Context's authors",
    protocol_notes=(
        "No zero-shot split: tested across datasets; no class is marked as seen, so mIoU is the figure to compare",
        "Background (every other class of the 459) is ignored; mmsegmentation's form of 60 classes is another protocol",
        "Classes are in alphabetical order, as in mmsegmentation, SAN and zsseg; the dataset's 59_labels.txt has another order",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "Label maps are compared at the image's original size, over the whole list at once, not per image",
    ),
    # MIN_SIZE_TEST 512, MAX_SIZE_TEST 2048 of zsseg's configs/pcontext-59.
    matched_sides=(512, 2048),
    background="ignored: 59 classes, not 60",
    spellings=MappingProxyType(
        {"san": _DETECTRON2, "zsseg": _DETECTRON2, "deop": _DETECTRON2, "maskclip": _MASKCLIP}
    ),
    archives=(PHOTOS, LABELS),
    convert="benchbed.datasets.pascal_context_convert:convert_59",
    home="pascal-context",
)


def open_val(data_root: Path | None) -> PairDataset:
    """Open the validation images that are there.

    Args:
        data_root: a folder with one of the card's layouts, or one whose subfolder `pascal-context-59` has it; None for
            `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no PASCAL Context.
        DataError: the folder is missing in part.
    """
    from benchbed.datasets.label_rule import counted_from
    from benchbed.datasets.pair_folder import PairLayout
    from benchbed.datasets.pair_reader import PairDataset
    from benchbed.datasets.pair_search import find_pairs

    classes = len(NAMES_59)
    layouts = (
        PairLayout(
            "JPEGImages",
            "SegmentationClassContext",
            counted_from(1, classes, ignored=(0,)),
            ids="list",
            list_file="ImageSets/SegmentationContext/val.txt",
        ),
        PairLayout("val/image", "val/label", counted_from(0, classes, ignored=(255,))),
    )
    prefixes = ("VOCdevkit/VOC2010", "VOC2010", "pcontext")
    how = how_to_get(DATASET.name)
    return PairDataset(DATASET, find_pairs(data_root, DATASET, prefixes, layouts, how))
