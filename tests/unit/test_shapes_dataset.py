"""The embedded dataset as the bench sees it: card, samples, identity."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchbed.datasets import shapes_dataset
from benchbed.datasets.shapes import scene
from benchbed.datasets.shapes_dataset import DATASET, ShapesDataset, open_shapes

UNSEEN = {"plain triangle", "striped triangle", "checkered disc", "dotted star", "ringed square"}


def test_card() -> None:
    assert (DATASET.name, DATASET.embedded, DATASET.full_size, DATASET.split) == ("shapes", True, 200, "val")
    assert DATASET.matched_sides == (128, 256)
    assert DATASET.source == ""
    vocabulary = DATASET.vocabulary(("san",))
    assert len(vocabulary) == 20
    assert vocabulary.prompts == vocabulary.names
    assert {name for name, seen in zip(DATASET.names, DATASET.seen, strict=True) if not seen} == UNSEEN


def test_card_names_its_opener() -> None:
    module, _, function = DATASET.open.partition(":")
    assert getattr(importlib.import_module(module), function) is open_shapes


@pytest.mark.parametrize("data_root", [None, Path("/nowhere")])
def test_any_data_root_will_do(data_root: Path | None) -> None:
    dataset = open_shapes(data_root)
    assert dataset.coverage() == "200 of 200 images"
    assert dataset.coverage(20) == "20 of 200 images"
    assert dataset.root is None


def test_ids() -> None:
    ids = open_shapes(None).ids
    assert (ids[0], ids[199]) == ("val_0000", "val_0199")
    assert len(ids) == len(set(ids)) == 200


@pytest.mark.parametrize(("split", "seed"), [("val", 0), ("val", 7), ("train", 0)])
def test_samples_are_the_generators_scenes(split: str, seed: int) -> None:
    dataset = ShapesDataset(split, count=30, seed=seed)
    for index in (29, 0, 11):
        sample, drawn = dataset.sample(index), scene(index, split, seed)
        assert sample.id == dataset.ids[index]
        assert np.array_equal(sample.image, drawn.image)
        assert np.array_equal(sample.labels, drawn.labels)
        assert sample.image.shape == (*sample.labels.shape, 3)
        assert sample.image.dtype == sample.labels.dtype == np.uint8


def test_negative_index_counts_from_the_end_and_others_are_refused() -> None:
    dataset = ShapesDataset(count=5)
    assert dataset.sample(-1).id == "val_0004"
    for index in (5, -6):
        with pytest.raises(IndexError):
            dataset.sample(index)


def test_labels_are_classes_or_the_ignored_ground() -> None:
    met: set[int] = set()
    dataset = open_shapes(None)
    for index in range(60):
        met |= set(np.unique(dataset.sample(index).labels).tolist())
    assert met == {*range(20), 255}


def test_identity_follows_all_that_fixes_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = open_shapes(None).identity
    assert ShapesDataset("val", 200, 0).identity == usual
    others = [ShapesDataset("train", 200, 0), ShapesDataset("val", 199, 0), ShapesDataset("val", 200, 1)]
    found = {usual, *(dataset.identity for dataset in others)}
    monkeypatch.setattr(shapes_dataset, "GENERATOR_VERSION", shapes_dataset.GENERATOR_VERSION + 1)
    found.add(open_shapes(None).identity)
    assert len(found) == 5


def test_unknown_split_and_no_scenes() -> None:
    with pytest.raises(ValueError, match="split is 'test'; expected one of"):
        ShapesDataset("test")
    for count in (0, -3):
        with pytest.raises(ValueError, match=rf"count is {count}; expected 1"):
            ShapesDataset(count=count)
