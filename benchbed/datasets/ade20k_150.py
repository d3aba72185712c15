"""ADE20K with the 150 classes of its scene parsing challenge: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.ade20k_150_classes import NAMES, detectron2_names
from benchbed.datasets.archive import Archive
from benchbed.datasets.dataset import DatasetCard

if TYPE_CHECKING:
    from benchbed.datasets.pair_reader import PairDataset

PAGE: Final = "http://sceneparsing.csail.mit.edu/"
ARCHIVE: Final = Archive(
    file="ADEChallengeData2016.zip",
    page=PAGE,
    what="photos and label maps, train and val",
    url="https://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
    # SHA-1 of GluonCV's and MXNetSeg's downloaders, MD5 of several PyTorch ones; its page names neither. About 967 MB.
    digests=(
        ("sha1", "219e1696abb36c8ba3a3afe7fb2f4b4606a897c7"),
        ("md5", "7328b3957e407ddae1d3cbf487f149ef"),
    ),
    about_mb=967,
)
HOW_TO_GET: Final = (
    f"get {ARCHIVE.file} (967 MB) by `benchbed data get ade20k-150` or from {PAGE}, unpack it, and pass the folder that then "
    "holds ADEChallengeData2016 as --data-root"
)
_SPELT: Final = detectron2_names()

DATASET: Final = DatasetCard(
    name="ade20k-150",
    title="ADE20K val, the 150 classes of the scene parsing challenge",
    names=NAMES,
    seen=(False,) * len(NAMES),
    # Its page: 20,210 images in training, 2,000 in validation.
    full_size=2000,
    split="val",
    open="benchbed.datasets.ade20k_150:open_val",
    source=f"{PAGE} : {ARCHIVE.file} (967 MB)",
    layout=(
        "ADEChallengeData2016 (or the folder above it) with images/validation beside annotations/validation; or images beside "
        "annotations with files ADE_val_*; the original label maps, not annotations_detectron2; a part works"
    ),
    terms="images for non-commercial research and education, annotations BSD-3 (ADE20K's terms of use)",
    protocol_notes=(
        "No zero-shot split: tested across datasets; no class is marked as seen, so mIoU is the figure to compare",
        "Mask value 0 (other) is ignored; value k is label k - 1",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "Label maps are compared at the image's original size, over the whole list at once, not per image",
        "Methods whose authors used detectron2 get its names, commas included, as one prompt (`road, route`)",
    ),
    # MIN_SIZE_TEST 512, MAX_SIZE_TEST 2048 of zsseg's configs/ade20k-150.
    matched_sides=(512, 2048),
    background="mask value 0 (other) is ignored; 150 classes, not 151",
    spellings=MappingProxyType({"san": _SPELT, "zsseg": _SPELT, "deop": _SPELT}),
    archives=(ARCHIVE,),
)


def open_val(data_root: Path | None) -> PairDataset:
    """Open the validation images that are there.

    Args:
        data_root: a folder with one of the card's layouts, or one whose subfolder `ade20k-150` has it; None for
            `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no ADE20K.
        DataError: the folder is missing in part.
    """
    from benchbed.datasets.label_rule import counted_from
    from benchbed.datasets.pair_folder import PairLayout
    from benchbed.datasets.pair_reader import PairDataset
    from benchbed.datasets.pair_search import find_pairs

    rule = counted_from(1, len(NAMES), ignored=(0,))
    layouts = (
        PairLayout("images/validation", "annotations/validation", rule, begins="ADE_val_"),
        PairLayout("images", "annotations", rule, begins="ADE_val_"),
    )
    prefixes = ("ADEChallengeData2016",)
    return PairDataset(DATASET, find_pairs(data_root, DATASET, prefixes, layouts, HOW_TO_GET))
