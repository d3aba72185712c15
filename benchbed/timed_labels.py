"""Whether the label maps that a clock was held to are those that were counted: else speed belongs to other predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchbed.cost.outputs import TimedOutputs
from benchbed.datasets.dataset import Sample
from benchbed.metrics import Counts, count_image
from benchbed.subject import Subject


def timed_labels(
    subject: Subject, samples: Sequence[Sample], outputs: TimedOutputs, counts: Counts
) -> dict[str, Any]:
    """Compare, image by image and class by class, in integers.

    Args:
        subject: what was timed.
        samples: the sample images.
        outputs: label maps of the timed calls, by place in `samples`.
        counts: of the accuracy pass.

    Returns:
        `sha256`: image id -> 16 digits of its timed label map's; `timed_same`: whether every timed call of an image gave the
        same map; `as_counted`: whether those maps give the very counts of the accuracy pass.
    """
    row_of = {name: row for row, name in enumerate(counts.image_ids)}
    equal = True
    for place, (labels,) in outputs.kept.items():
        sample = samples[place]
        found = count_image(
            labels.numpy(),
            sample.labels,
            len(subject.vocabulary),
            subject.item.dataset.card.ignore,
            sample.id,
        )
        row = row_of[sample.id]
        for mine, theirs in (
            (found.intersection, counts.intersection),
            (found.predicted, counts.predicted),
            (found.labelled, counts.labelled),
        ):
            equal = equal and bool(np.array_equal(mine, theirs[row]))
    return {
        "sha256": {samples[place].id: min(digests) for place, digests in outputs.seen.items()},
        "timed_same": all(len(digests) == 1 for digests in outputs.seen.values()),
        "as_counted": equal,
    }


def label_warnings(label: str, found: dict[str, Any]) -> list[str]:
    """What a reader must know where the two do not agree, with what to do."""
    if not found["as_counted"]:
        return [
            f"{label}: the timed label maps are not those that were counted: its speed belongs to other predictions; "
            "make the method repeat itself (seeds, deterministic operators) and measure again"
        ]
    if not found["timed_same"]:
        return [
            f"{label}: timed calls on one image gave different label maps; the method does not repeat itself"
        ]
    return []
