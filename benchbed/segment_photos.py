"""Methods over a person's photos, one method in memory at a time; what comes out can be drawn without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed import protocol as protocols
from benchbed.device import resolve_device
from benchbed.photos import Photos
from benchbed.plan import PlanItem
from benchbed.progress import Reporter
from benchbed.registry import Chosen
from benchbed.report.overlay import Panel, shown_labels
from benchbed.subject import make_subject
from benchbed.vocabulary import Vocabulary
from benchbed.weights import WeightsChoice

MEANINGLESS = "random weights: labels mean nothing"


def plan_photos(
    paths: Sequence[Path],
    vocabulary: Vocabulary,
    chosen: Sequence[Chosen],
    choices: Mapping[str, WeightsChoice],
    device: str,
    precision: str,
) -> tuple[list[PlanItem], torch.device]:
    """One plan item a variant, each method with its published input and prompts (protocol `paper`).

    Args:
        paths: the photos.
        vocabulary: the words.
        chosen: the variants.
        choices: label -> weights.
        device, precision: as on the command line.

    Raises:
        UsageError: the device is not there, or no such precision.
    """
    where = resolve_device(device)
    photos = Photos(paths, vocabulary)
    protocol = protocols.named("paper", photos.card, precision, torch.get_num_threads(), where.type)
    return [PlanItem(each, photos, protocol, choices[each.label], len(photos)) for each in chosen], where


def segment_photos(item: PlanItem, device: torch.device, reporter: Reporter) -> list[Panel]:
    """One method over all photos: a panel a photo.

    Raises:
        CheckpointError: its weights are damaged, unsafe, or of another method or size.
        ScoresError: it gave scores that no label map can be made of.
    """
    subject = make_subject(item, device)
    subject.inference.text_per_image = False  # the words stay the same from photo to photo
    panels = []
    with reporter.task(item.chosen.label, item.images) as tick:
        for index in range(item.images):
            image = item.dataset.sample(index).image
            labels = subject.inference.labels(image).cpu().numpy()
            panels.append(_panel(item, labels, len(subject.vocabulary)))
            tick(index + 1)
    return panels


def _panel(item: PlanItem, labels: NDArray[np.integer], num_classes: int) -> Panel:
    path = item.weights.path
    note = f"weights: {path.name}" if path else MEANINGLESS
    counts = count_pixels(labels, num_classes)
    return Panel(item.chosen.label, note, path is None, shown_labels(labels), counts)


def count_pixels(labels: NDArray[np.integer], num_classes: int) -> NDArray[np.int64]:
    """[K] pixels of each class; a band of rows at a time, since `bincount` makes eight bytes of each label."""
    rows = max(1, 2**22 // labels.shape[1])
    counts = np.zeros(num_classes, np.int64)
    for top in range(0, len(labels), rows):
        counts += np.bincount(labels[top : top + rows].ravel(), minlength=num_classes)
    return counts
