"""PASCAL VOC 2012 with the 15 seen / 5 unseen classes of SPNet: the card, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchbed.datasets.archive import Archive
from benchbed.datasets.dataset import DatasetCard

if TYPE_CHECKING:
    from benchbed.datasets.voc_reader import VocDataset

# Label order: mask value k is label k - 1. SPNet's split, used by ZegFormer, zsseg, DeOP, ZegCLIP, MaskCLIP+.
SEEN: Final = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
)
UNSEEN: Final = ("pottedplant", "sheep", "sofa", "train", "tvmonitor")
NAMES: Final = SEEN + UNSEEN


def _spelt(**changes: str) -> tuple[str, ...]:
    return tuple(changes.get(name, name) for name in NAMES)


# The words each author's code puts into prompts; they change results. ZegFormer: register_pascal_voc.py;
# zsseg and DeOP: register_voc_seg.py; ZegCLIP: dataloader/voc12.py; SAN: san/data/datasets/register_voc.py;
# MaskCLIP: tools/maskclip_utils/prompt_engineering.py.
_SPELLINGS: Final = MappingProxyType(
    {
        "zegformer": _spelt(pottedplant="potted plant"),
        "zsseg": _spelt(),
        "deop": _spelt(),
        "zegclip": _spelt(),
        "san": _spelt(tvmonitor="tv"),
        "maskclip": _spelt(
            aeroplane="airplane",
            diningtable="dining table",
            pottedplant="potted plant",
            tvmonitor="tv monitor",
        ),
    }
)

DATASET: Final = DatasetCard(
    name="voc",
    title="PASCAL VOC 2012 val, 20 classes, 15 seen / 5 unseen, background ignored",
    names=NAMES,
    seen=(True,) * len(SEEN) + (False,) * len(UNSEEN),
    # ImageSets/Segmentation/val.txt of the official archive.
    full_size=1449,
    split="val",
    open="benchbed.datasets.voc:open_voc",
    source=(
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ : VOCtrainval_11-May-2012.tar "
        "(2 GB, MD5 6cd6e144f989b92b3379bac3b3de84fd)"
    ),
    layout=(
        "the folder that holds VOCdevkit (or VOCdevkit, or VOC2012 itself), with JPEGImages, SegmentationClass "
        "and ImageSets/Segmentation/val.txt; a part of val works, the list then names only what is there"
    ),
    terms="photos from Flickr, under Flickr's terms of use; annotations by the PASCAL VOC organisers",
    protocol_notes=(
        "SPNet's split: the first 15 classes are seen; pottedplant, sheep, sofa, train, tvmonitor unseen",
        "All 20 classes compete at every pixel, seen and unseen alike (generalised zero-shot)",
        "Predictions on ignored pixels count for nothing, not even as false positives",
        "Label maps are compared at the image's original size, over the whole list at once, not per image",
        "In training, unseen classes' pixels are ignored; images that show them stay in",
        "This is not ZS3Net's split, which counts background as a class and has other unseen classes",
    ),
    # ZegFormer Base-VOC-20.yaml and zsseg Base-VOC11K-20.yaml: MIN_SIZE_TEST 512, MAX_SIZE_TEST 2048.
    matched_sides=(512, 2048),
    background="ignored like void: mask value k is label k - 1; 20 classes, not 21",
    spellings=_SPELLINGS,
    open_train="benchbed.datasets.voc:open_voc_train",
    archives=(
        Archive(
            file="VOCtrainval_11-May-2012.tar",
            page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
            what="photos, label maps and lists, train and val",
            # torchvision's address and MD5 (datasets/voc.py); size and SHA-256 of tensorflow_datasets' url_checksums/voc.txt.
            url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            digests=(
                ("sha256", "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb"),
                ("md5", "6cd6e144f989b92b3379bac3b3de84fd"),
            ),
            size=1_999_639_040,
        ),
    ),
)


def open_voc(data_root: Path | None) -> VocDataset:
    """Open the validation images that `ImageSets/Segmentation/val.txt` names.

    Args:
        data_root: the folder that holds VOCdevkit, VOCdevkit itself, or VOC2012 itself; None for
            `$BENCHBED_DATA/voc`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no VOC.
        DataError: the folder or its list is missing in part or malformed.
    """
    from benchbed.datasets.voc_folder import find_voc
    from benchbed.datasets.voc_reader import VocDataset

    return VocDataset(find_voc(data_root))


def open_voc_train(data_root: Path | None) -> VocDataset:
    """Open the training images, with the labels of all 20 classes.

    Where `ImageSets/Segmentation/trainaug.txt` and `SegmentationClassAug` are there, these are the 10,582 images that
    the published methods train on (VOC's own and SBD's); a mask that `SegmentationClassAug` lacks is taken from
    `SegmentationClass`. Otherwise they are the 1,464 of `train.txt`. `coverage()` says which.

    Args:
        data_root: as in `open_voc`.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no VOC.
        DataError: the folder or its list is missing in part or malformed, or the list shares images with val.
    """
    from benchbed.datasets.voc_folder import find_voc
    from benchbed.datasets.voc_reader import VocDataset
    from benchbed.datasets.voc_training import training_folder

    folder, split = training_folder(find_voc(data_root))
    return VocDataset(folder, split)
