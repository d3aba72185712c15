"""COCO-Stuff 164k with the 156 seen / 15 unseen classes of SPNet: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.archive import Archive
from benchbed.datasets.coco_stuff_classes import MASKCLIP_NAMES, NAMES, NEVER, RAW, SEEN
from benchbed.datasets.dataset import DatasetCard

if TYPE_CHECKING:
    from benchbed.datasets.pair_reader import PairDataset

PAGE: Final = "https://github.com/nightrome/cocostuff#downloads"
# Photos and label maps below the data root, for split "val" or "train".
LAYOUTS: Final = (
    ("{}2017", "stuffthingmaps/{}2017"),  # zsseg, ZegFormer, SAN: the archives unpacked side by side
    ("images/{}2017", "annotations/{}2017"),  # nightrome/cocostuff's README, mmsegmentation
    ("images/{}2017", "stuffthingmaps/{}2017"),
    ("{}_img", "{}_label"),  # the sample images of NVlabs/SPADE
)
# Images of COCO 2017, which COCO-Stuff 164k labels.
FULL_SIZES: Final = {"val": 5000, "train": 118287}
_EXPECTED: Final = f"a raw COCO-Stuff id, 0 to 181 without {', '.join(map(str, NEVER))}, which never occur, or 255 (unlabelled)"
_BUCKET: Final = "https://s3.amazonaws.com/images.cocodataset.org/zips"

# SAN's and zsseg's register files have the official names, MaskCLIP's prompt_engineering.py its own; others do not say.
DATASET: Final = DatasetCard(
    name="coco-stuff",
    title="COCO-Stuff 164k val2017, 171 classes, 156 seen / 15 unseen",
    names=NAMES,
    seen=SEEN,
    full_size=FULL_SIZES["val"],
    split="val",
    open="benchbed.datasets.coco_stuff:open_val",
    open_train="benchbed.datasets.coco_stuff:open_train",
    source=(
        f"{PAGE} : val2017.zip (1 GB), train2017.zip (18 GB, for training), "
        "stuffthingmaps_trainval2017.zip (659 MB)"
    ),
    layout=(
        "val2017 and train2017 beside stuffthingmaps/val2017 and stuffthingmaps/train2017; or images/val2017 beside "
        "annotations/val2017; or val_img beside val_label; a part works, and a split that is not used may be absent"
    ),
    terms=(
        "photos from Flickr, under Flickr's terms of use; COCO's and COCO-Stuff's annotations CC BY 4.0 (nightrome/cocostuff)"
    ),
    protocol_notes=(
        "SPNet's split: 156 classes are seen (its 12 validation classes among them), 15 unseen",
        "Unseen are cow, giraffe, suitcase, frisbee, skateboard, carrot, scissors, cardboard, clouds, grass, playingfield, "
        "river, road, tree, wall-concrete",
        "All 171 classes compete at every pixel, seen and unseen alike (generalised zero-shot)",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "Label maps are compared at the image's original size, over the whole list at once, not per image",
        "In training, unseen classes' pixels are ignored; zsseg and DeOP leave out images without any seen pixel",
        "Classes are in the order of their raw ids, as in zsseg, DeOP and mmsegmentation; ZegFormer's order has the seen first",
    ),
    # MIN_SIZE_TEST 640, MAX_SIZE_TEST 2560 in the COCO-Stuff configurations of SAN, ZegFormer and zsseg.
    matched_sides=(640, 2560),
    background="no background class: raw id 0 is person; only 255 (unlabelled) is ignored",
    spellings=MappingProxyType({"maskclip": MASKCLIP_NAMES}),
    archives=(
        Archive(
            file="val2017.zip",
            page="https://cocodataset.org/#download",
            what="photos of val2017",
            # The TLS address of the official bucket images.cocodataset.org, whose own name has no certificate; size and
            # SHA-256 of tensorflow_datasets' url_checksums/coco.txt.
            url=f"{_BUCKET}/val2017.zip",
            digests=(("sha256", "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),),
            size=815_585_330,
        ),
        Archive(
            file="train2017.zip",
            page="https://cocodataset.org/#download",
            what="photos of train2017",
            url=f"{_BUCKET}/train2017.zip",
            digests=(("sha256", "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),),
            size=19_336_861_798,
            split="train",
        ),
        Archive(
            file="stuffthingmaps_trainval2017.zip",
            page=PAGE,
            what="label maps of train2017 and val2017",
            about_mb=659,
            below="stuffthingmaps",
            holds="stuffthingmaps/val2017/*.png",
            why_by_hand="no checksum of it is published or known here",
        ),
    ),
)


def open_val(data_root: Path | None) -> PairDataset:
    """Open the images of val2017 that are there.

    Args:
        data_root: a folder with one of the card's layouts, or one whose subfolder `coco-stuff` or `coco` has it; None for
            `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no COCO-Stuff.
        DataError: the folder is missing in part.
    """
    return _opened(data_root, "val")


def open_train(data_root: Path | None) -> PairDataset:
    """Open the images of train2017 that are there, with the labels of all 171 classes; as `open_val`."""
    return _opened(data_root, "train")


def _opened(data_root: Path | None, split: str) -> PairDataset:
    from benchbed.datasets.label_rule import LabelRule
    from benchbed.datasets.pair_folder import PairLayout
    from benchbed.datasets.pair_reader import PairDataset, Part
    from benchbed.datasets.pair_search import find_pairs

    rule = LabelRule({255: 255} | {raw: label for label, raw in enumerate(RAW)}, _EXPECTED)
    layouts = [PairLayout(images.format(split), masks.format(split), rule) for images, masks in LAYOUTS]
    name = f"{split}2017"
    part = Part(name, FULL_SIZES[split], f"coco-stuff 164k {name}", named=split != DATASET.split)
    folder = find_pairs(data_root, DATASET, ("coco",), layouts, _how_to_get(split))
    return PairDataset(DATASET, folder, part)


def _how_to_get(split: str) -> str:
    return (
        f"get {split}2017.zip and stuffthingmaps_trainval2017.zip from {PAGE}, unpack the first in a folder and the second "
        "in its subfolder stuffthingmaps, and pass that folder as --data-root"
    )
