"""COCO-Stuff 164k with the 156 seen / 15 unseen classes of SPNet: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.archive import Archive
from benchbed.datasets.coco_stuff_classes import MASKCLIP_NAMES, NAMES, SEEN
from benchbed.datasets.dataset import DatasetCard

if TYPE_CHECKING:
    from benchbed.datasets.coco_stuff_reader import CocoStuffDataset

_BUCKET: Final = "https://s3.amazonaws.com/images.cocodataset.org/zips"

# SAN's and zsseg's register files have the official names, MaskCLIP's prompt_engineering.py its own; others do not say.
DATASET: Final = DatasetCard(
    name="coco-stuff",
    title="COCO-Stuff 164k val2017, 171 classes, 156 seen / 15 unseen",
    names=NAMES,
    seen=SEEN,
    full_size=5000,
    split="val",
    open="benchbed.datasets.coco_stuff:open_val",
    open_train="benchbed.datasets.coco_stuff:open_train",
    source=(
        "https://github.com/nightrome/cocostuff#downloads : val2017.zip (1 GB), train2017.zip (18 GB, for training), "
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
            page="https://github.com/nightrome/cocostuff#downloads",
            what="label maps of train2017 and val2017",
            about_mb=659,
            below="stuffthingmaps",
            holds="stuffthingmaps/val2017/*.png",
            why_by_hand="no checksum of it is published or known here",
        ),
    ),
)


def open_val(data_root: Path | None) -> CocoStuffDataset:
    """Open the images of val2017 that are there.

    Args:
        data_root: a folder with one of the card's layouts, or one whose subfolder `coco-stuff` or `coco` has it; None for
            `$BENCHBED_DATA`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no COCO-Stuff.
        DataError: the folder is missing in part.
    """
    return _opened(data_root, "val")


def open_train(data_root: Path | None) -> CocoStuffDataset:
    """Open the images of train2017 that are there, with the labels of all 171 classes; as `open_val`."""
    return _opened(data_root, "train")


def _opened(data_root: Path | None, split: str) -> CocoStuffDataset:
    from benchbed.datasets.coco_stuff_folder import find_coco_stuff

    folder = find_coco_stuff(data_root, split)
    # Only now: `benchbed list` asks without data, and need not wait for the reader's imports.
    from benchbed.datasets.coco_stuff_reader import CocoStuffDataset

    return CocoStuffDataset(folder)
