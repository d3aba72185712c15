"""Augmentations as mmsegmentation's transforms: sizes, padding, probabilities, and each switch on its own."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from listed_dataset import SEEN, ListedDataset
from mmengine.registry import DefaultScope

from benchbed.training.draws import seeded
from benchbed.training.pipelines import training_pipeline
from benchbed.training.quarter_turns import BenchbedQuarterTurns
from benchbed.training.recipe import Augmentation
from benchbed.training.scenes import TrainingScenes
from benchbed.training.seen_labels import seen_table

TABLE = seen_table(SEEN)
PLAIN = Augmentation(flip=False)


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def items(augmentation: Augmentation, height: int = 30, width: int = 50) -> TrainingScenes:
    """One random photo whose labels are class 0 (seen) everywhere."""
    labels = np.zeros((height, width), np.uint8)
    return TrainingScenes(
        ListedDataset([labels], [photo(height, width)]), training_pipeline(augmentation, TABLE)
    )


def drawn(scenes: TrainingScenes, seed: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Image [H, W, 3] BGR, labels [H, W] and the data sample."""
    with seeded(seed):
        item = scenes[0]
    image = item["inputs"].numpy().transpose(1, 2, 0)
    return image, item["data_samples"].gt_sem_seg.data[0].numpy(), item["data_samples"]


def test_without_augmentation_the_photo_stays_as_it_is_but_for_bgr() -> None:
    image, labels, sample = drawn(items(PLAIN), 0)
    assert np.array_equal(image[:, :, ::-1], photo(30, 50))
    assert (labels == 0).all()
    assert sample.ori_shape == sample.img_shape == (30, 50)
    assert sample.img_path == "sample-0"
    assert sample.reduce_zero_label is False


@pytest.mark.parametrize(("height", "width"), [(30, 50), (50, 30)])
def test_short_sides_are_drawn_evenly_and_the_longest_is_capped(height: int, width: int) -> None:
    scenes = items(Augmentation(short_sides=(15, 45, 60), longest_side=80, flip=False), height, width)
    seen = Counter(drawn(scenes, seed)[0].shape[:2] for seed in range(150))
    # 60 would make the other side 100: both shrink by 0.8.
    sides = {(15, 25), (45, 75), (48, 80)}
    assert set(seen) == (sides if height < width else {side[::-1] for side in sides})
    assert min(seen.values()) > 30


@pytest.mark.parametrize("crop", [20, 40, 64])
def test_a_crop_has_one_size_and_is_padded_right_and_bottom(crop: int) -> None:
    scenes = items(Augmentation(crop=crop, flip=False))
    met = set()
    for seed in range(30):
        image, labels, sample = drawn(scenes, seed)
        assert image.shape == (crop, crop, 3)
        assert labels.shape == sample.img_shape == (crop, crop)
        high, wide = min(crop, 30), min(crop, 50)
        assert (labels[:high, :wide] == 0).all()
        for part in (np.s_[high:, :], np.s_[:, wide:]):
            assert (labels[part] == 255).all()
            assert (image[part] == 128).all()
        met.add(image[:high, :wide].tobytes())
    places = (30 - min(crop, 30) + 1) * (50 - min(crop, 50) + 1)
    assert len(met) > min(places, 30) / 3
    assert len(met) <= places


def test_a_crop_is_a_part_of_the_photo() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(photo(30, 50), (20, 20), (0, 1))
    parts = {np.ascontiguousarray(windows[y, x]).tobytes() for y in range(11) for x in range(31)}
    scenes = items(Augmentation(crop=20, flip=False))
    for seed in range(20):
        image = drawn(scenes, seed)[0][:, :, ::-1]
        assert np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes() in parts


def test_half_of_the_images_are_mirrored() -> None:
    scenes = items(Augmentation())
    mirrored = 0
    for seed in range(200):
        image = drawn(scenes, seed)[0][:, :, ::-1]
        mirrored += int(np.array_equal(image, photo(30, 50)[:, ::-1]))
        assert np.array_equal(image, photo(30, 50)) or np.array_equal(image, photo(30, 50)[:, ::-1])
    assert 70 < mirrored < 130


def test_quarter_turns_are_drawn_evenly() -> None:
    scenes = items(Augmentation(quarter_turns=True, flip=False))
    expected = [np.rot90(photo(30, 50), turns) for turns in range(4)]
    counts = Counter(
        next(
            turns
            for turns, each in enumerate(expected)
            if np.array_equal(drawn(scenes, seed)[0][:, :, ::-1], each)
        )
        for seed in range(200)
    )
    assert sorted(counts) == [0, 1, 2, 3]
    assert min(counts.values()) > 30


def test_a_turned_image_says_its_new_size() -> None:
    results = {"img": photo(30, 50), "gt_seg_map": photo(30, 50)[..., 0], "seg_fields": ["gt_seg_map"]}
    shapes = set()
    for seed in range(8):
        with seeded(seed):
            turned = BenchbedQuarterTurns().transform(dict(results))
        assert turned["img_shape"] == turned["img"].shape[:2] == turned["gt_seg_map"].shape
        assert np.array_equal(turned["img"][..., 0], turned["gt_seg_map"])
        shapes.add(turned["img_shape"])
    assert shapes == {(30, 50), (50, 30)}


def test_colour_changes_pixels_and_never_padding_or_labels() -> None:
    scenes = items(Augmentation(colour=True, crop=64, flip=False))
    changed = 0
    for seed in range(40):
        image, labels, _ = drawn(scenes, seed)
        changed += int(not np.array_equal(image[:30, :50, ::-1], photo(30, 50)))
        assert (image[30:] == 128).all()
        assert (labels[:30, :50] == 0).all()
    assert changed > 25  # each of its five distortions comes half of the time


def test_a_pipeline_is_plain_data_and_works_whatever_the_scope() -> None:
    """mmengine's Runner sets a default scope; a script of a user's sets none."""
    full = Augmentation(short_sides=(24, 40), crop=32, quarter_turns=True, colour=True)
    configs = training_pipeline(full, TABLE)
    assert json.loads(json.dumps(configs))[0]["table"] == list(TABLE)
    without = drawn(items(full), 3)[0]
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert np.array_equal(drawn(items(full), 3)[0], without)


def test_labels_come_first_and_packing_last() -> None:
    full = Augmentation(short_sides=(24, 40), crop=32, quarter_turns=True, colour=True)
    types = [step["type"].rpartition(".")[2] for step in training_pipeline(full, TABLE)]
    assert types == [
        *("BenchbedSeenLabels", "RandomChoiceResize", "BenchbedQuarterTurns", "RandomCrop"),
        *("PhotoMetricDistortion", "RandomFlip", "Pad", "PackSegInputs"),
    ]
    assert [step["type"].rpartition(".")[2] for step in training_pipeline(PLAIN, TABLE)] == [
        "BenchbedSeenLabels",
        "PackSegInputs",
    ]
