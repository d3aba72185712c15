"""Timed label maps against counts: equal, different, and not repeating themselves; and what a run's record says of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.cost.outputs import TimedOutputs
from benchbed.datasets.dataset import Sample
from benchbed.metrics import Counts, count_image
from benchbed.timed_labels import label_warnings, timed_labels

CLASSES, IGNORE = 4, 255


def made(seed: int) -> tuple[list[Sample], list[np.ndarray], Counts]:
    draw = np.random.default_rng(seed)
    samples = [
        Sample(f"image{i}", np.zeros((6, 7, 3), np.uint8), draw.integers(0, CLASSES, (6, 7)).astype(np.uint8))
        for i in range(3)
    ]
    maps = [draw.integers(0, CLASSES, (6, 7)).astype(np.uint8) for _ in samples]
    rows = [count_image(m, s.labels, CLASSES, IGNORE, s.id) for m, s in zip(maps, samples, strict=True)]
    return samples, maps, Counts.from_images(reversed(rows))  # in another order than the samples


def subject() -> Any:
    card = SimpleNamespace(ignore=IGNORE)
    return SimpleNamespace(
        vocabulary=range(CLASSES), item=SimpleNamespace(dataset=SimpleNamespace(card=card))
    )


def timed(maps: list[np.ndarray], rounds: int = 2) -> TimedOutputs:
    outputs = TimedOutputs()
    for _ in range(rounds):
        for place, labels in enumerate(maps):
            outputs.add(place, [torch.from_numpy(labels)])
    return outputs


@pytest.mark.parametrize("seed", range(3))
def test_the_maps_that_were_counted_are_found_to_be(seed: int) -> None:
    samples, maps, counts = made(seed)
    found = timed_labels(subject(), samples, timed(maps), counts)
    assert (found["as_counted"], found["timed_same"]) == (True, True)
    assert set(found["sha256"]) == {"image0", "image1", "image2"}
    assert label_warnings("san/tiny", found) == []
    json.dumps(found)


@pytest.mark.parametrize("seed", range(3))
def test_one_other_pixel_is_seen(seed: int) -> None:
    samples, maps, counts = made(seed)
    maps[1][2, 3] = (maps[1][2, 3] + 1) % CLASSES
    found = timed_labels(subject(), samples, timed(maps), counts)
    assert found["as_counted"] is False
    (said,) = label_warnings("san/tiny", found)
    assert said.startswith("san/tiny: the timed label maps are not those that were counted")


def test_calls_that_do_not_repeat_themselves_are_seen() -> None:
    samples, maps, counts = made(0)
    outputs = timed(maps, 1)
    outputs.add(2, [torch.from_numpy(maps[0])])
    found = timed_labels(subject(), samples, outputs, counts)
    assert (found["as_counted"], found["timed_same"]) == (True, False)
    (said,) = label_warnings("san/tiny", found)
    assert "does not repeat itself" in said
