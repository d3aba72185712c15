"""Photos with ground truth, what methods made of them and where they are wrong: from kept predictions and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.errors import StoreError
from benchbed.kept import Kept, kept_of
from benchbed.progress import Reporter
from benchbed.report.error_maps import error_map
from benchbed.report.gallery_choice import Choice, choose_images
from benchbed.report.overlay import shown_labels
from benchbed.report.picture_file import group_name
from benchbed.report.rows import Row

IMAGES: Final = 6  # a group
GROUPS: Final = 4
PANELS: Final = 8  # methods an image
SIDE: Final = 256  # pixels of a panel's longer side


@dataclass(frozen=True)
class ShownPanel:
    """What one row's method made of an image, at display size.

    Attributes:
        row: whose it is.
        labels: [h, w] class indices.
        errors: [h, w] of `benchbed.report.error_maps`.
        right: share of the labelled pixels that were predicted right, at the image's own size.
    """

    row: Row
    labels: NDArray[np.integer]
    errors: NDArray[np.uint8]
    right: float


@dataclass(frozen=True)
class ShownImage:
    """One image of a gallery.

    Attributes:
        image_id: in its dataset.
        why: it is shown, in words.
        size: height and width of the image itself, pixels.
        photo: [h, w, 3] uint8 at display size.
        truth: [h, w] class indices; K where ignored.
        panels: one a method.
        classes: indices of those that occur in the truth, largest first, then of those that were only predicted; where
            pixels are ignored nothing counts.
        names, seen: of all K classes.
    """

    image_id: str
    why: str
    size: tuple[int, int]
    photo: NDArray[np.uint8]
    truth: NDArray[np.integer]
    panels: tuple[ShownPanel, ...]
    classes: tuple[int, ...]
    names: tuple[str, ...]
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class Gallery:
    """The images of one group of comparable records.

    Attributes:
        group: `Row.group` of all rows in it.
        name: of the group, as file names have it.
        title: dataset and protocol, in words.
        images: none where nothing was kept.
        notes: what was left out and why.
    """

    group: tuple[str, ...]
    name: str
    title: str
    images: tuple[ShownImage, ...]
    notes: tuple[str, ...] = field(default=())


def galleries(
    rows: Iterable[Row],
    kept: Sequence[Kept],
    images: int = IMAGES,
    panels: int = PANELS,
    side: int = SIDE,
    reporter: Reporter | None = None,
) -> list[Gallery]:
    """One gallery for each group of which predictions were kept; of more than 4 groups the 4 with the most records.

    Args:
        rows: any; those without counts or kept predictions are left out.
        kept: what `benchbed.kept.find_kept` found.
        images: at most so many a group.
        panels: methods shown, at most; of more, the trained ones with the best hIoU.
        side: pixels of a panel's longer side.
        reporter: where progress is told; None for nowhere.
    """
    owners = {(each.label, each.weights) for each in kept}
    usable = sorted((row for row in rows if _counted(row)), key=lambda row: row.group)
    groups = [list(members) for _, members in groupby(usable, key=lambda row: row.group)]
    groups = [
        members
        for members in groups
        if any((row.label, row.provenance.weights_sha256) in owners for row in members)
    ]
    largest = sorted(groups, key=lambda members: (-len(members), members[0].group))[:GROUPS]
    telling = (reporter or Reporter(quiet=True)).each("gallery", largest)
    found = [_gallery(members, kept, images, panels, side) for members in telling]
    return sorted((gallery for gallery in found if gallery.images), key=lambda gallery: gallery.group)


def _gallery(rows: list[Row], kept: Sequence[Kept], images: int, panels: int, side: int) -> Gallery:
    latest = {row.label: row for row in sorted(rows, key=lambda row: row.provenance.created)}
    places = {row.key: [each for each in kept if row.record and each.belongs_to(row.record)] for row in rows}
    shown = [row for row in latest.values() if places[row.key]]
    notes = [f"{row.label}: no predictions were kept" for row in latest.values() if not places[row.key]]
    shown = sorted(shown, key=_best_first)
    notes += [f"{row.label}: not shown, for want of room" for row in shown[panels:]]
    shown = shown[:panels]
    candidates = _common(shown, places)
    found = []
    for choice in choose_images(shown, candidates, images):
        image = _shown(choice, shown, kept, side, notes)
        if image is not None:
            found.append(image)
    return Gallery(
        rows[0].group, group_name(rows[0]), _title(rows[0]), tuple(found), tuple(dict.fromkeys(notes))
    )


def _best_first(row: Row) -> tuple[bool, float, str]:
    figure = None if row.random else row.figure("hiou")
    value = figure.value if figure is not None and figure.value == figure.value else -1.0
    return row.random, -value, row.label


def _title(row: Row) -> str:
    place = row.provenance
    return f"{row.dataset}, {place.coverage}, protocol {place.protocol} {place.fingerprint}"


def _common(rows: Sequence[Row], places: dict[str, list[Kept]]) -> list[str]:
    """Images of which every row's prediction was kept; where there are none, of which most were."""
    counted = [_counted(row) for row in rows]
    kept = [
        {name for place in places[row.key] for name in place.images} & own
        for row, own in zip(rows, counted, strict=True)
    ]
    votes = Counter(name for each in kept for name in each)
    most = max(votes.values(), default=0)
    everywhere = set.intersection(*counted) if counted else set()
    return sorted(name for name, count in votes.items() if count == most and name in everywhere)


def _counted(row: Row) -> set[str]:
    return set(row.record.counts.image_ids) if row.record and row.record.counts else set()


def _shown(
    choice: Choice, rows: Sequence[Row], kept: Sequence[Kept], side: int, notes: list[str]
) -> ShownImage | None:
    """The image at display size, with a panel for each row whose prediction is there and is the record's own."""
    name = choice.image_id
    found = [(row, kept_of(row.record, kept, name)) for row in rows if row.record]
    notes += [
        f"{row.label}: its kept prediction of {name} is gone, damaged, or not what record {row.key} counted"
        for row, place in found
        if place is None
    ]
    there = [(row, place) for row, place in found if place is not None]
    if not there:
        return None
    try:
        return _arranged(choice, there, side)
    except StoreError as error:
        notes.append(str(error))
        return None


def _arranged(choice: Choice, there: list[tuple[Row, Kept]], side: int) -> ShownImage:
    record, place = there[0][0].record, there[0][1]
    assert record is not None
    names, seen = tuple(record.dataset["names"]), np.array(record.dataset["seen"], bool)
    full = place.truth(choice.image_id)
    truth = np.where(full == place.ignore, len(names), full).astype(np.int32)
    predictions = [each.prediction(choice.image_id) for _, each in there]
    small = shown_labels(truth, side)
    panels = [
        _panel(row, truth, labels, small, seen, side)
        for (row, _), labels in zip(there, predictions, strict=True)
    ]
    height, width = small.shape
    photo = Image.fromarray(place.photo(choice.image_id)).resize((width, height), Image.Resampling.LANCZOS)
    classes = occurring(truth, predictions, len(names))
    size = (int(truth.shape[0]), int(truth.shape[1]))
    return ShownImage(
        choice.image_id, choice.why, size, np.asarray(photo), small, tuple(panels), classes, names, seen
    )


def _panel(
    row: Row,
    truth: NDArray[np.integer],
    labels: NDArray[np.integer],
    small: NDArray[np.integer],
    seen: NDArray[np.bool_],
    side: int,
) -> ShownPanel:
    labelled = truth < len(seen)
    right = float((labels == truth)[labelled].mean()) if labelled.any() else float("nan")
    shown = shown_labels(labels, side).astype(np.int32)
    return ShownPanel(row, shown, error_map(small, shown, seen), right)


def occurring(
    truth: NDArray[np.integer], predictions: Sequence[NDArray[np.integer]], num_classes: int
) -> tuple[int, ...]:
    """Classes of the truth, largest first, then those that are only predicted, on labelled pixels [h, w]."""
    areas = np.bincount(truth.ravel(), minlength=num_classes + 1)[:num_classes]
    labelled = truth < num_classes
    guessed = np.max([np.bincount(each[labelled], minlength=num_classes) for each in predictions], axis=0)
    order = np.lexsort((-guessed, -areas))
    return tuple(int(k) for k in order if areas[k] or guessed[k])
