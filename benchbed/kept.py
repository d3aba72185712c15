"""Predicted label maps that a run kept, with photo and ground truth beside: what a gallery is drawn from. Free of torch.

Below a store's folder:

    predictions/DATASET-IDENTITY/photos/STEM.jpg                            for looking at: its longer side at most 1,040 pixels
    predictions/DATASET-IDENTITY/truth/STEM.png                             label values, the dataset's ignore value among them
    predictions/DATASET-IDENTITY/METHOD-VARIANT-PROTOCOL-KEY/STEM.png       predicted labels at the photo's own size
    predictions/DATASET-IDENTITY/METHOD-VARIANT-PROTOCOL-KEY/kept.json      whose they are, and of which images

A STEM is the start of the SHA-256 of an image's id: the order of the stems is the order in which images are drawn, the same
for every method, so that several methods keep the same images whatever room each has.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.errors import BenchError, StoreError
from benchbed.metrics import count_image
from benchbed.records import Record
from benchbed.report.palette import palette

KIND: Final = "benchbed kept predictions"
FOLDER: Final = "predictions"
MANIFEST: Final = "kept.json"
PHOTOS: Final = "photos"
TRUTH: Final = "truth"
LEVEL: Final = 6  # of zlib: an eighth of the time of 9, for 3 % more bytes on shapes and 23 % more on ragged maps of photos
_DAMAGE: Final = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


def stem(image_id: str) -> str:
    """An image's file name without ending, and its place in the draw: 16 hexadecimal digits."""
    return hashlib.sha256(image_id.encode()).hexdigest()[:16]


def dataset_folder(store: Path, dataset: str, identity: str) -> Path:
    """Where photos, truth and predictions of one dataset's content lie below a store's folder."""
    return store / FOLDER / f"{dataset}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Kept:
    """The kept predictions of one variant on one dataset under one protocol.

    Attributes:
        folder: where they lie.
        label: `method/variant`.
        weights: SHA-256 of the weights.
        dataset, identity: the dataset's name and the digest of its content.
        fingerprint: of the protocol.
        ignore: the truth's value of ignored pixels.
        images: ids, in the order in which they were drawn.
    """

    folder: Path
    label: str
    weights: str
    dataset: str
    identity: str
    fingerprint: str
    ignore: int
    images: tuple[str, ...]

    def prediction(self, image_id: str) -> NDArray[np.integer]:
        """[H, W] class indices. Raises StoreError: the file is gone or damaged."""
        return read_labels(self.folder / f"{stem(image_id)}.png")

    def truth(self, image_id: str) -> NDArray[np.integer]:
        """[H, W] class indices and `ignore`. Raises StoreError: the file is gone or damaged."""
        return read_labels(self.folder.parent / TRUTH / f"{stem(image_id)}.png")

    def photo(self, image_id: str) -> NDArray[np.uint8]:
        """[h, w, 3] uint8, of the prediction's shape but perhaps smaller. Raises StoreError: gone or damaged."""
        path = self.folder.parent / PHOTOS / f"{stem(image_id)}.jpg"
        return np.asarray(_decoded(path).convert("RGB"))

    def belongs_to(self, record: Record) -> bool:
        """Same variant, weights, data and protocol; whether the code was the same, only `agrees` can tell."""
        return (self.label, self.weights, self.dataset, self.identity, self.fingerprint) == (
            record.label,
            record.method["weights"]["sha256"],
            record.dataset["name"],
            record.dataset["identity"],
            record.protocol["fingerprint"],
        )

    def agrees(self, record: Record, image_id: str) -> bool:
        """Whether this very prediction, counted again, gives the integers that the record holds of the image.

        Raises:
            StoreError: a file is gone or damaged.
        """
        counts = record.counts
        if counts is None or image_id not in counts.image_ids:
            return False
        prediction, truth = self.prediction(image_id), self.truth(image_id)
        try:
            again = count_image(prediction, truth, counts.num_classes, self.ignore, image_id)
        except (BenchError, ValueError):
            return False
        row = counts.image_ids.index(image_id)
        return all(
            np.array_equal(getattr(again, name), getattr(counts, name)[row])
            for name in ("intersection", "predicted", "labelled")
        )

    def manifest(self) -> dict[str, Any]:
        """What `kept.json` holds."""
        return {
            "kind": KIND,
            "label": self.label,
            "weights": self.weights,
            "dataset": self.dataset,
            "identity": self.identity,
            "fingerprint": self.fingerprint,
            "ignore": self.ignore,
            "images": list(self.images),
        }


def find_kept(stores: Iterable[Path]) -> tuple[list[Kept], list[str]]:
    """All kept predictions of some stores, and one sentence for each manifest that was skipped.

    Args:
        stores: as for `benchbed.report.collect.collect`: stores, folders with stores below, or files of records in stores.
    """
    found, skipped = [], []
    for path in sorted({path for store in stores for path in _manifests(store)}):
        try:
            found.append(read_manifest(path))
        except StoreError as error:
            skipped.append(str(error))
    return found, skipped


def _manifests(store: Path) -> Iterable[Path]:
    if store.is_file():  # STORE/records/DATASET/RECORD.json
        return (folder for parent in store.resolve().parents[2:3] for folder in _manifests(parent / FOLDER))
    return (path.resolve() for path in store.rglob(f"*/{MANIFEST}") if FOLDER in path.resolve().parts)


def kept_of(record: Record, kept: Sequence[Kept], image_id: str) -> Kept | None:
    """The kept prediction that a record's counts of an image came from; None where there is none.

    Files that are gone or damaged, and predictions of other code, count as not there.
    """
    for each in kept:
        if each.belongs_to(record) and image_id in each.images:
            try:
                if each.agrees(record, image_id):
                    return each
            except StoreError:
                continue
    return None


def read_manifest(path: Path) -> Kept:
    """Read one `kept.json`.

    Raises:
        StoreError: unreadable, torn or foreign.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != KIND:
            raise ValueError(f"kind {content['kind']!r}")
        texts = {
            name: str(content[name]) for name in ("label", "weights", "dataset", "identity", "fingerprint")
        }
        images = tuple(str(name) for name in content["images"])
        return Kept(path.parent, **texts, ignore=int(content["ignore"]), images=images)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path}: no list of kept predictions ({error!r}); delete its folder and run again with --keep"
        ) from error


def label_png(labels: NDArray[np.integer], num_classes: int) -> bytes:
    """A label map [H, W] as a small PNG: 8 bits with the report's class colours, or 16 bits grey where values need them."""
    content = io.BytesIO()
    if int(labels.max(initial=0)) > 255:
        Image.fromarray(labels.astype(np.uint16)).save(content, "PNG", compress_level=LEVEL)
        return content.getvalue()
    colours = np.full((256, 3), 255, np.uint8)
    colours[:num_classes] = palette(num_classes)[:256]
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(colours.tobytes())
    image.save(content, "PNG", compress_level=LEVEL)
    return content.getvalue()


def read_labels(path: Path) -> NDArray[np.integer]:
    """[H, W] values of a PNG of `label_png`.

    Raises:
        StoreError: gone, damaged, or a picture of another kind.
    """
    image = _decoded(path)
    labels = np.asarray(image)
    if image.mode not in ("P", "L", "I;16", "I") or labels.ndim != 2:
        raise StoreError(
            f"{path}: a picture of mode {image.mode}, expected label values; run again with --keep"
        )
    return labels.astype(np.int32) if image.mode == "I" else labels


def _decoded(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            image.load()
            return image
    except _DAMAGE as error:
        raise StoreError(f"{path}: cannot be read ({error}); run again with --keep") from error
