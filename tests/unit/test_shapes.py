"""The embedded dataset: the same bytes everywhere, honest labels and captions, classes made of seen parts."""

from __future__ import annotations

import hashlib
import math
import re
import subprocess
import sys
import time
from collections import Counter
from functools import cache

import numpy as np
import pytest

from benchbed.datasets import shapes
from benchbed.datasets.shapes.captions import NUMBERS
from benchbed.datasets.shapes.classes import shape_of, texture_of
from benchbed.datasets.shapes.layout import MIN_VISIBLE_PERCENT
from benchbed.errors import UsageError

VAL = 200

# SHA-256 of image, labels, instance ids and caption. They may change only together with GENERATOR_VERSION.
PINNED_VERSION = 1
PINNED_SCENES = {
    ("val", 0, 0): "c44a66bed15b2f573e5919befd60afc7df6c9e7d5cb2211a7e7ec6b18d824498",
    ("val", 199, 0): "7d141fc84f495523fb4b6f0f4365888425a19e9ac07e9a32b7c9a6959b1bdf16",
    ("train", 0, 0): "74cf0fcd9e30f285279a8234bb6f38e0800b7f05ad3ba742a5f8cb80315ac926",
    ("train", 1999, 0): "c6d27547e0d8b0e3b949a7c31eb73722133964f51792be59d7c6c353d0b614b0",
    ("val", 7, 2**64 - 1): "f885967e8f0c2d3d7a4cb4566a6dbe2c2f5fd28f9f79b7b66423f7969b9d7dd5",
}
# Val scenes 0 .. 19, seed 0.
PINNED_BLOCK = "f0e239360e0b52e4ec691a04501058bf460448ada49bd11b490da8355ae6c3b3"
# Train crops 0 .. 19, seed 3, then val crop 5, seed 0, at 128 pixels.
PINNED_CROPS = "40a980a4a301a435d69e3b3dc3a01ff0abebaaef5a399bc0ccdb9a057ac1fcbb"


def digest(*scenes: shapes.Scene) -> str:
    total = hashlib.sha256()
    for one in scenes:
        for plane in (one.image, one.labels, one.instance_ids):
            total.update(repr(plane.shape).encode() + plane.tobytes())
        total.update(one.caption.encode() + b"\n")
    return total.hexdigest()


@cache
def val_scenes() -> tuple[shapes.Scene, ...]:
    return tuple(shapes.scene(index, "val") for index in range(VAL))


def classes_in(one: shapes.Scene) -> set[int]:
    return {instance.class_id for instance in one.instances}


# --- the same bytes everywhere --------------------------------------------------------------------


@pytest.mark.parametrize(("split", "index", "seed"), PINNED_SCENES)
def test_scene_bytes_are_pinned(split: str, index: int, seed: int) -> None:
    assert shapes.GENERATOR_VERSION == PINNED_VERSION, "new version: print the new digests and pin them"
    assert digest(shapes.scene(index, split, seed)) == PINNED_SCENES[split, index, seed]


def test_block_and_crop_bytes_are_pinned() -> None:
    assert digest(*val_scenes()[:20]) == PINNED_BLOCK
    crops = [shapes.object_crop(index, "train", seed=3) for index in range(20)]
    assert digest(*crops, shapes.object_crop(5, "val", side=128)) == PINNED_CROPS


def test_scenes_do_not_depend_on_order_or_numpy_state() -> None:
    order = [17, 3, 199, 3, 0]
    np.random.seed(5)  # the global state must not matter
    again = [digest(shapes.scene(index, "val")) for index in order]
    assert again == [digest(val_scenes()[index]) for index in order]


def test_another_process_draws_the_same_without_torch() -> None:
    code = (
        "import sys; from benchbed.datasets import shapes; s = shapes.scene(4, 'train', 9);"
        "print(int(s.image.astype('int64').sum()), int(s.labels.astype('int64').sum()), s.caption, sep='|');"
        "print([name for name in ('torch', 'PIL', 'mmseg') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = shapes.scene(4, "train", 9)
    totals = int(here.image.astype("int64").sum()), int(here.labels.astype("int64").sum())
    assert run.stdout.splitlines() == [f"{totals[0]}|{totals[1]}|{here.caption}", "[]"]


def test_indices_of_other_integer_types_are_the_same_scene() -> None:
    assert digest(shapes.scene(np.int64(6), "val")) == digest(val_scenes()[6])  # type: ignore[arg-type]


def test_no_scene_occurs_twice_in_or_between_splits_and_seeds() -> None:
    digests = [digest(one) for one in val_scenes()]
    digests += [digest(shapes.scene(index, "train")) for index in range(VAL)]
    digests += [digest(shapes.scene(index, "val", seed=1)) for index in range(50)]
    assert len(set(digests)) == len(digests)


def test_val_scenes_are_drawn_in_time() -> None:
    # The limit is issue 2's: 200 scenes in under 5 s. They take about 0.8 s of CPU time on one core of an AMD
    # EPYC, so a core six times slower passes; CPU time, because a busy neighbour must not fail the test.
    start = time.process_time()
    for index in range(VAL):
        shapes.scene(index, "val", seed=2)
    assert time.process_time() - start < 5.0


# --- classes --------------------------------------------------------------------------------------


def test_twenty_distinct_classes_fifteen_seen() -> None:
    assert len(set(shapes.CLASSES)) == 20
    assert sorted(shapes.SEEN + shapes.UNSEEN) == list(range(20))
    assert (len(shapes.SEEN), len(shapes.UNSEEN)) == (15, 5)
    assert [shapes.CLASSES[k] for k in shapes.UNSEEN] == list(shapes.UNSEEN_CLASSES)
    assert all(shapes.CLASSES[k] == f"{texture_of(k)} {shape_of(k)}" for k in range(20))


@pytest.mark.parametrize("part", shapes.TEXTURES + shapes.SHAPES)
def test_every_part_occurs_three_times_among_seen_and_unseen_has_no_new_part(part: str) -> None:
    assert sum(part in name.split() for name in shapes.SEEN_CLASSES) >= 3
    assert all(len(name.split()) == 2 for name in shapes.UNSEEN_CLASSES)


def test_every_class_occurs_in_at_least_15_of_200_val_scenes() -> None:
    found = Counter(class_id for one in val_scenes() for class_id in classes_in(one))
    assert sorted(found) == list(range(20))
    assert min(found.values()) >= 15


# --- scenes ---------------------------------------------------------------------------------------


def test_planes_are_contiguous_bytes_of_a_listed_size() -> None:
    for one in val_scenes():
        assert one.image.shape == (*one.labels.shape, 3)
        assert one.labels.shape == one.instance_ids.shape
        for plane in (one.image, one.labels, one.instance_ids):
            assert plane.dtype == np.uint8
            assert plane.flags.c_contiguous
    assert {one.labels.shape for one in val_scenes()} == set(shapes.SIZES)


def test_labels_are_what_the_instances_say() -> None:
    for one in val_scenes():
        expected = np.full(one.labels.shape, shapes.IGNORE)
        for number, instance in enumerate(one.instances, start=1):
            rows, columns = np.nonzero(one.instance_ids == number)
            expected[rows, columns] = instance.class_id
            left, top, right, bottom = instance.box
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (
                left,
                top,
                right,
                bottom,
            )
            assert len(rows) == instance.visible_pixels
        np.testing.assert_array_equal(one.labels, expected)
        assert one.instance_ids.max() == len(one.instances)


def test_every_object_shows_half_of_itself_and_scenes_overlap() -> None:
    counts = Counter(len(one.instances) for one in val_scenes())
    assert sorted(counts) == [2, 3, 4, 5, 6]
    instances = [instance for one in val_scenes() for instance in one.instances]
    assert all(i.visible_pixels * 100 >= i.full_pixels * MIN_VISIBLE_PERCENT for i in instances)
    assert min(i.full_pixels for i in instances) >= math.pi * 13.5**2  # 28 pixels across, less the rounding
    assert min(i.visible_pixels for i in instances) >= 280
    assert sum(i.visible_pixels < i.full_pixels for i in instances) > len(instances) // 3


def test_objects_stand_out_in_the_picture() -> None:
    # Labels lie where the objects are: colours inside differ more from the ground around than that varies.
    shown = 0
    for index in range(60):
        one = shapes.object_crop(index, "val")
        image, inside = one.image.astype(float), one.labels != shapes.IGNORE
        ring = np.zeros_like(inside)
        for axis, step in ((0, 3), (0, -3), (1, 3), (1, -3)):
            ring |= np.roll(inside, step, axis)
        outside = image[ring & ~inside].mean(axis=0)
        shown += bool(np.abs(image[inside] - outside).mean() > np.abs(image[ring & ~inside] - outside).mean())
    assert shown >= 57


def test_objects_are_light_and_dark_in_every_class_and_colour_does_not_tell_the_shape() -> None:
    crops = [shapes.object_crop(index, "train") for index in range(600)]
    shape = np.array([one.instances[0].class_id % 4 for one in crops])
    colour = np.array([one.image[one.labels != shapes.IGNORE].mean(axis=0) for one in crops])
    means = np.array([colour[:400][shape[:400] == k].mean(axis=0) for k in range(4)])
    guess = np.abs(colour[400:, None] - means).sum(axis=2).argmin(axis=1)
    # Chance is 25 %, with a standard deviation of 3 % for 200 crops.
    assert (guess == shape[400:]).mean() < 0.25 + 3 * 0.031
    for class_id in range(4):  # the plain ones show one colour each: it must be light here and dark there
        grey = [one.image[one.labels == class_id].mean() for one in crops if class_id in classes_in(one)]
        assert min(grey) < 100 < 150 < max(grey)


# --- captions -------------------------------------------------------------------------------------

NAMED = re.compile(
    rf"\b({'|'.join(NUMBERS[1:])}) ({'|'.join(shapes.TEXTURES)}) ({'|'.join(shapes.SHAPES)})(s?)\b"
)


def test_captions_name_exactly_what_is_visible() -> None:
    for one in val_scenes():
        named: Counter[str] = Counter()
        for number, texture, shape, plural in NAMED.findall(one.caption):
            assert (number == "a") == (plural == "")
            named[f"{texture} {shape}"] += NUMBERS.index(number)
        assert named == Counter(shapes.CLASSES[instance.class_id] for instance in one.instances)
        rest = NAMED.sub("", one.caption)
        assert not any(part in rest for part in shapes.TEXTURES + shapes.SHAPES)


def test_captions_that_order_the_objects_are_true() -> None:
    ordered = [one for one in val_scenes() if one.caption.startswith("from left to right")]
    assert ordered
    for one in ordered:
        by_place = sorted(one.instances, key=lambda instance: (instance.box[0] + instance.box[2]) / 2)
        names = [f"{texture} {shape}" for _, texture, shape, _ in NAMED.findall(one.caption)]
        assert names == [shapes.CLASSES[instance.class_id] for instance in by_place]


def test_captions_vary() -> None:
    sentences = {NAMED.sub("_", one.caption) for one in val_scenes()}
    assert len(sentences) > 40


# --- crops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [64, 96, 224])
def test_crops_hold_each_class_once_in_twenty_whole_and_named(side: int) -> None:
    for start in (0, 40):
        crops = [shapes.object_crop(index, "val", seed=1, side=side) for index in range(start, start + 20)]
        assert sorted(one.instances[0].class_id for one in crops) == list(range(20))
        for one in crops:
            (instance,) = one.instances
            assert one.image.shape == (side, side, 3)
            assert instance.visible_pixels == instance.full_pixels
            assert set(np.unique(one.labels)) == {instance.class_id, shapes.IGNORE}
            assert f"a {shapes.CLASSES[instance.class_id]}" in one.caption


def test_crop_order_differs_between_blocks_and_splits() -> None:
    orders = {
        tuple(shapes.object_crop(index, split).instances[0].class_id for index in range(start, start + 20))
        for split in ("train", "val")
        for start in (0, 20)
    }
    assert len(orders) == 4


# --- the dataset as the bench opens it ------------------------------------------------------------


def test_dataset_gives_the_val_scenes_and_an_identity_that_follows_its_content() -> None:
    opened = shapes.ShapesScenes()
    assert len(opened) == len(set(opened.ids)) == shapes.DATASET.full_size == VAL
    sample = opened.sample(12)
    assert sample.id == opened.ids[12]
    np.testing.assert_array_equal(sample.image, val_scenes()[12].image)
    np.testing.assert_array_equal(sample.labels, val_scenes()[12].labels)
    others = [shapes.ShapesScenes("train", 200), shapes.ShapesScenes(size=100), shapes.ShapesScenes(seed=1)]
    assert len({opened.identity, *(other.identity for other in others)}) == 4
    with pytest.raises(IndexError, match="no scene 200"):
        opened.sample(200)


def test_card_agrees_with_the_classes() -> None:
    card = shapes.DATASET
    assert card.names == shapes.CLASSES
    assert tuple(k for k, seen in enumerate(card.seen) if seen) == shapes.SEEN
    assert card.ignore == shapes.IGNORE
    assert card.embedded


# --- mistakes -------------------------------------------------------------------------------------


def test_unknown_split_and_seed_are_the_users_mistakes() -> None:
    with pytest.raises(UsageError, match="no split 'test': expected train or val"):
        shapes.scene(0, "test")
    with pytest.raises(UsageError, match="no split 'test'"):
        shapes.ShapesScenes("test")
    for seed in (-1, 2**64):
        with pytest.raises(UsageError, match=f"seed {seed} is out of range"):
            shapes.object_crop(0, "val", seed)


def test_impossible_index_and_side_are_refused() -> None:
    with pytest.raises(ValueError, match="index is -1"):
        shapes.scene(-1, "val")
    for side in (63, 225):
        with pytest.raises(ValueError, match="64 to 224"):
            shapes.object_crop(0, "val", side=side)
