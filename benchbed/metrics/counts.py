"""Counts: intersection, predicted and labelled pixels of every class, as integers, for every image.

Every accuracy number of benchbed is derived from these and nothing else is stored. What they promise:

- A pixel whose ground truth is ignored counts nowhere, so a prediction there is never a false positive (the
  rule of ZegFormer, zsseg, DeOP and mmsegmentation: SPLITS.md, section 1).
- Predictions lie inside the vocabulary on every pixel (`count_image` raises otherwise), so every labelled pixel
  is also a predicted one: in each image the two have the same sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageCounts:
    """The counts of one image, or the sum over many.

    Attributes:
        intersection: pixels of each class that were predicted right, `[K]` int64.
        predicted: labelled (not ignored) pixels that were predicted as each class, `[K]` int64.
        labelled: pixels that the ground truth gives to each class, `[K]` int64.
        image_id: the image's name in its dataset; empty for a sum.
    """

    intersection: Int64Array
    predicted: Int64Array
    labelled: Int64Array
    image_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """The counts of N images over K classes, read-only.

    Attributes:
        image_ids: the images' names, N different ones.
        intersection, predicted, labelled: `[N, K]` int64, as in `ImageCounts`.

    Raises:
        TypeError: an array is not of integers.
        ValueError: shapes that differ, an id twice, or counts that no pair of label maps can have: negative,
            an intersection above its predicted or labelled pixels, or unequal sums of predicted and labelled
            pixels.
    """

    image_ids: tuple[str, ...]
    intersection: Int64Array
    predicted: Int64Array
    labelled: Int64Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_ids", tuple(self.image_ids))
        for name in ("intersection", "predicted", "labelled"):
            object.__setattr__(self, name, _frozen(getattr(self, name), name))
        _check_shapes(self)
        _check_ids(self.image_ids)
        _check_numbers(self)

    @classmethod
    def empty(cls, num_classes: int) -> Counts:
        """No images yet, over `num_classes` classes."""
        none = np.zeros((0, num_classes), np.int64)
        return cls((), none, none, none)

    @classmethod
    def from_images(cls, rows: Iterable[ImageCounts]) -> Counts:
        """The counts of one or more images, in the order given; each needs its own `image_id`."""
        rows = list(rows)
        if not rows:
            raise ValueError("no images to collect counts from; Counts.empty(num_classes) stands for none")
        return cls(
            tuple(row.image_id for row in rows),
            np.stack([row.intersection for row in rows]),
            np.stack([row.predicted for row in rows]),
            np.stack([row.labelled for row in rows]),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Counts]) -> Counts:
        """One table of several, for instance the shares of several processes; no image may be in two."""
        return cls(
            tuple(image_id for part in parts for image_id in part.image_ids),
            np.concatenate([part.intersection for part in parts]),
            np.concatenate([part.predicted for part in parts]),
            np.concatenate([part.labelled for part in parts]),
        )

    @property
    def num_images(self) -> int:
        """N."""
        return len(self.image_ids)

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.intersection.shape[1])

    def total(self) -> ImageCounts:
        """The sums over all images, `[K]` each: what dataset-level IoU is computed from."""
        return ImageCounts(self.intersection.sum(0), self.predicted.sum(0), self.labelled.sum(0))

    def select(self, image_ids: Sequence[str]) -> Counts:
        """These images only, in this order. Raises ValueError naming the first that is not here."""
        row_of = {image_id: row for row, image_id in enumerate(self.image_ids)}
        missing = next((image_id for image_id in image_ids if image_id not in row_of), None)
        if missing is not None:
            raise ValueError(f"no counts for image {missing!r}; there are {self.num_images} other images")
        rows = np.array([row_of[image_id] for image_id in image_ids], np.intp)
        return Counts(tuple(image_ids), self.intersection[rows], self.predicted[rows], self.labelled[rows])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return self.image_ids == other.image_ids and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)[1:]
        )

    __hash__ = None  # type: ignore[assignment]  # equal by content, and content is arrays


def _frozen(values: ArrayLike, name: str) -> Int64Array:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: counts are integers, not {array.dtype}")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def _check_shapes(counts: Counts) -> None:
    shapes = {name: getattr(counts, name).shape for name in ("intersection", "predicted", "labelled")}
    if len(set(shapes.values())) != 1 or len(counts.intersection.shape) != 2:
        raise ValueError(f"counts are three arrays [images, classes] of one shape, not {shapes}")
    if counts.intersection.shape[0] != len(counts.image_ids):
        raise ValueError(
            f"{len(counts.image_ids)} image ids for {counts.intersection.shape[0]} rows of counts"
        )
    if counts.intersection.shape[1] == 0:
        raise ValueError("counts over no classes")


def _check_ids(image_ids: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for image_id in image_ids:
        if image_id in seen:
            raise ValueError(f"image {image_id!r} is counted twice")
        seen.add(image_id)


def _check_numbers(counts: Counts) -> None:
    smaller = np.minimum(counts.predicted, counts.labelled)
    wrong = (counts.intersection < 0) | (counts.intersection > smaller)
    if wrong.any():
        row, label = np.argwhere(wrong)[0]
        numbers = [int(a[row, label]) for a in (counts.intersection, counts.predicted, counts.labelled)]
        raise ValueError(
            f"image {counts.image_ids[row]!r}, class {label}: an intersection of {numbers[0]} with "
            f"{numbers[1]} predicted and {numbers[2]} labelled pixels"
        )
    predicted, labelled = counts.predicted.sum(1), counts.labelled.sum(1)
    if (predicted != labelled).any():
        row = int(np.argmax(predicted != labelled))
        raise ValueError(
            f"image {counts.image_ids[row]!r}: {predicted[row]} predicted but {labelled[row]} labelled "
            "pixels; both are counted over the same pixels"
        )
