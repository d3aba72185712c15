"""What is asked of two label maps, and what is said when one holds a value that is no class."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchbed.errors import DataError, ScoresError

# Most values that a message lists before it only says how many more there are.
_LISTED = 5


def refuse_prediction(found: str, num_classes: int, image_id: str) -> NoReturn:
    """Raise `ScoresError`: a method's label map holds `found`, outside the vocabulary."""
    raise ScoresError(
        f"{_prefix(image_id)}the prediction holds {found}, but the vocabulary has the labels 0 to "
        f"{num_classes - 1}; check that the method scores every class of this vocabulary and no other"
    )


def refuse_truth(found: str, num_classes: int, ignore: int, image_id: str) -> NoReturn:
    """Raise `DataError`: a ground-truth label map holds `found`, neither a class nor the ignore value."""
    raise DataError(
        f"{_prefix(image_id)}the ground truth holds {found}, but expected are the labels 0 to "
        f"{num_classes - 1} and {ignore} for ignored pixels; check the dataset's mapping from mask values "
        "to classes"
    )


def refuse_shapes(prediction: tuple[int, ...], truth: tuple[int, ...], image_id: str) -> NoReturn:
    """Raise `ScoresError`: the two maps of one image differ in size."""
    raise ScoresError(
        f"{_prefix(image_id)}the prediction has the shape {_shape(prediction)} but the ground truth "
        f"{_shape(truth)}; bring the scores to the size of the ground truth before taking labels"
    )


def check_request(
    prediction: tuple[int, ...],
    truth: tuple[int, ...],
    largest: int,
    num_classes: int,
    ignore: int,
    image_id: str,
) -> None:
    """Check everything that needs no look at a pixel.

    Args:
        prediction, truth: the shapes of the two maps.
        largest: the largest label that the prediction's dtype can hold.
        num_classes, ignore, image_id: as for `count_image`.

    Raises:
        ScoresError: the shapes differ.
        ValueError: no pixels, no classes, an `ignore` that is a class, or a prediction too narrow for
            the vocabulary.
    """
    if prediction != truth:
        refuse_shapes(prediction, truth, image_id)
    if 0 in prediction:
        raise ValueError(f"{_prefix(image_id)}a label map without pixels, {_shape(prediction)}")
    if num_classes < 1:
        raise ValueError(f"a vocabulary of {num_classes} classes")
    if 0 <= ignore < num_classes:
        raise ValueError(f"ignore={ignore} is one of the {num_classes} classes; 16-bit label maps use 65535")
    if num_classes - 1 > largest:
        raise ValueError(
            f"labels up to {largest} cannot name {num_classes} classes: use a wider integer type"
        )


def describe(values: NDArray[Any], pixels: NDArray[Any]) -> str:
    """`label 20 on 35 pixels, label 255 on 3 pixels`, from runs: their labels `[R]` and lengths `[R]`."""
    distinct, place = np.unique(values, return_inverse=True)
    total = np.bincount(place, weights=pixels, minlength=distinct.size).astype(np.int64)
    listed = [f"label {value} on {count} pixels" for value, count in zip(distinct, total, strict=True)]
    more = f" and {len(listed) - _LISTED} more labels" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more


def _prefix(image_id: str) -> str:
    return f"{image_id}: " if image_id else ""


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
