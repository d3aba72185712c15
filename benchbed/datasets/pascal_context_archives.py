"""The files that PASCAL Context is published in: the photos of VOC 2010, and the label maps beside them."""

from __future__ import annotations

from typing import Final

from benchbed.datasets.archive import Archive

PAGE: Final = "https://cs.stanford.edu/~roozbeh/pascal-context/"
PHOTOS: Final = Archive(
    file="VOCtrainval_03-May-2010.tar",
    page="http://host.robots.ox.ac.uk/pascal/VOC/voc2010/",
    what="photos of VOC 2010 and its lists",
    # torchvision's address and MD5 (datasets/voc.py); SHA-1 of GluonCV's and scikit-data's downloaders.
    url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
    digests=(
        ("md5", "da459979d0c395079b5c75ee67908abb"),
        ("sha1", "bf9985e9f2b064752bf6bd654d89f017c76c395a"),
    ),
    about_mb=1300,
)
LABELS: Final = Archive(
    file="trainval.tar.gz",
    page=PAGE,
    what="label maps of 459 classes, MATLAB files",
    about_mb=31,
    below="VOCdevkit/VOC2010",
    holds="VOCdevkit/VOC2010/trainval/*.mat",
    why_by_hand="no checksum of it is published or known here",
)


def how_to_get(name: str) -> str:
    """What a person does to get the dataset of this name, one sentence."""
    return (
        f"get {LABELS.file} (31 MB) from {PAGE} by hand into a folder, run `benchbed data get {name} --from FOLDER --to DIR`, "
        "which downloads the photos of VOC 2010 (1.3 GB) and converts, and pass DIR as --data-root"
    )
