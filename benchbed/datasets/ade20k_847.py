"""ADE20K's full release with 847 classes: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchbed.datasets.ade20k_847_classes import NAMES
from benchbed.datasets.archive import Archive
from benchbed.datasets.dataset import DatasetCard

if TYPE_CHECKING:
    from benchbed.datasets.pair_reader import PairDataset

PAGE: Final = "https://github.com/CSAILVision/ADE20K#download"
IGNORE: Final = 65535
PHOTOS: Final = "images_detectron2"
MASKS: Final = "annotations_detectron2"
RELEASE: Final = "ADE20K_2021_17_01"
HOW_TO_GET: Final = (
    f"ask for the full release {RELEASE} at {PAGE} (it needs an account), put it below a folder, run "
    "`benchbed data get ade20k-847 --from FOLDER --to DIR`, and pass DIR as --data-root"
)
ARCHIVE: Final = Archive(
    file=f"{RELEASE}.zip",
    page=PAGE,
    what="photos and label pictures of the full release, train and val",
    holds=f"{RELEASE}/images/ADE/validation/**/ADE_val_*_seg.png",
    why_by_hand="it is given to registered people only",
)

DATASET: Final = DatasetCard(
    name="ade20k-847",
    title="ADE20K val of the full release, 847 classes",
    names=NAMES,
    seen=(False,) * len(NAMES),
    full_size=2000,
    split="val",
    open="benchbed.datasets.ade20k_847:open_val",
    source=f"{PAGE} : {RELEASE} (registration)",
    layout=(
        f"{RELEASE} (or the folder above it) with {PHOTOS}/validation (*.jpg) beside {MASKS}/validation (*.tif, 16 bits), as "
        "`benchbed data get` or MaskFormer's prepare_ade20k_full_sem_seg.py leave them; a part works"
    ),
    terms="images for non-commercial research and education, annotations BSD-3 (ADE20K's terms of use)",
    protocol_notes=(
        "No zero-shot split: tested across datasets; no class is marked as seen, so mIoU is the figure to compare",
        "Objects of the release's other classes are ignored, parts of objects are not labels at all",
        "Photos and label maps are those of MaskFormer's conversion: the shorter side at most 512 pixels",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "A name with its synonyms (`road, route`) is one prompt, but for methods that split it themselves (ZegFormer)",
    ),
    # MIN_SIZE_TEST 512, MAX_SIZE_TEST 2048 of zsseg's configs/ade20k-847.
    matched_sides=(512, 2048),
    background="no background class: pixels of other classes than the 847 are ignored (65535)",
    ignore=IGNORE,
    archives=(ARCHIVE,),
    convert="benchbed.datasets.ade20k_847_convert:convert",
)


def open_val(data_root: Path | None) -> PairDataset:
    """Open the validation images that are there; labels are uint16, 65535 ignored.

    Args:
        data_root: a folder with the card's layout, or one whose subfolder `ade20k-847` has it; None for `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no converted full release.
        DataError: the folder is missing in part.
    """
    from benchbed.datasets.label_rule import counted_from
    from benchbed.datasets.pair_folder import PairLayout
    from benchbed.datasets.pair_reader import PairDataset
    from benchbed.datasets.pair_search import find_pairs

    rule = counted_from(0, len(NAMES), ignored=(IGNORE,), ignore=IGNORE)
    layout = PairLayout(f"{PHOTOS}/validation", f"{MASKS}/validation", rule, mask_ending=".tif")
    return PairDataset(DATASET, find_pairs(data_root, DATASET, (RELEASE,), (layout,), HOW_TO_GET))
