"""No unseen label survives: not in the table, not in the transform, not through any augmentation, not on real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from listed_dataset import SEEN, ListedDataset, random_maps
from mmengine.dataset import pseudo_collate
from PIL import Image
from small_segmenter import SmallSegmenter
from torch import Tensor

from benchbed.datasets.coco_stuff import open_train as open_coco_train
from benchbed.datasets.dataset import Dataset
from benchbed.datasets.shapes.dataset import open_train
from benchbed.datasets.voc import open_voc_train
from benchbed.images import ImageBatch
from benchbed.segmenter import TextFeatures
from benchbed.training.draws import seeded
from benchbed.training.pipelines import training_pipeline
from benchbed.training.recipe import Augmentation
from benchbed.training.scenes import TrainingScenes
from benchbed.training.seen_labels import BenchbedSeenLabels, seen_only, seen_table

FULL = Augmentation(short_sides=(24, 40, 56), longest_side=90, crop=48, quarter_turns=True, colour=True)
AUGMENTATIONS = {
    "none": Augmentation(flip=False),
    "flip": Augmentation(),
    "size": Augmentation(short_sides=(17, 31, 80), flip=False),
    "crop, often padded": Augmentation(crop=50),
    "turns": Augmentation(quarter_turns=True),
    "all": FULL,
}


def plain(labels: np.ndarray, seen: tuple[bool, ...]) -> np.ndarray:
    """The rule, one pixel at a time."""
    places = [label for label, flag in enumerate(seen) if flag]
    return np.array([places.index(v) if v in places else 255 for v in labels.ravel()]).reshape(labels.shape)


class RecordingSegmenter(SmallSegmenter):
    """Remembers every label that reaches its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.met: set[int] = set()

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        self.met |= set(labels.unique().tolist())
        return {"loss": self.conv(images.tensor).mean()}


def scenes(dataset: Dataset, augmentation: Augmentation) -> TrainingScenes:
    return TrainingScenes(dataset, training_pipeline(augmentation, seen_table(dataset.card.seen)))


def labels_of(item: dict[str, Any]) -> np.ndarray:
    labels: np.ndarray = item["data_samples"].gt_sem_seg.data[0].numpy()
    return labels


class TestTable:
    def test_by_hand(self) -> None:
        assert seen_table((True, False, True, True, False)) == (0, 255, 1, 2, 255)

    def test_order_is_that_of_the_seen_vocabulary(self) -> None:
        card = open_train().card
        table, vocabulary = seen_table(card.seen), card.vocabulary().seen_only()
        for label, name in enumerate(card.names):
            if table[label] != 255:
                assert vocabulary.names[table[label]] == name
        assert [place for place in table if place != 255] == list(range(len(vocabulary.names)))

    @pytest.mark.parametrize("seen", [(), (False, False), (True,) * 256])
    def test_no_seen_class_or_too_many(self, seen: tuple[bool, ...]) -> None:
        with pytest.raises(ValueError, match="expected 1 to 255"):
            seen_table(seen)

    def test_255_seen_classes_fit(self) -> None:
        assert seen_table((True,) * 255 + (False,)) == (*range(255), 255)


class TestMap:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int64])
    @pytest.mark.parametrize("seed", range(3))
    def test_every_kind_of_number(self, dtype: type, seed: int) -> None:
        random = np.random.default_rng(seed)
        labels: np.ndarray = random.integers(0, 1 + min(np.iinfo(dtype).max, 70_000), (40, 50)).astype(dtype)
        labels[:20] = random.integers(0, len(SEEN) + 3, size=(20, 50))
        labels[-1] = np.iinfo(dtype).max
        labels[-2] = np.iinfo(dtype).min
        found = seen_only(labels, seen_table(SEEN))
        assert found.dtype == np.uint8
        assert np.array_equal(found, plain(labels, SEEN))

    def test_all_values_of_sixteen_bits(self) -> None:
        labels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        seen = tuple(bool(label % 3) for label in range(300))
        assert np.array_equal(seen_only(labels, seen_table(seen)), plain(labels, seen))

    def test_fractions_are_refused(self) -> None:
        with pytest.raises(TypeError, match="float64"):
            seen_only(np.zeros((2, 2)), seen_table(SEEN))  # type: ignore[arg-type]

    def test_transform_changes_every_label_field_and_nothing_else(self) -> None:
        first, second = random_maps(2, seed=0)
        image = np.arange(12, dtype=np.uint8)
        results = {"img": image, "gt_seg_map": first, "other": second, "seg_fields": ["gt_seg_map", "other"]}
        after = BenchbedSeenLabels(seen_table(SEEN)).transform(results)
        assert np.array_equal(after["gt_seg_map"], plain(first, SEEN))
        assert np.array_equal(after["other"], plain(second, SEEN))
        assert after["img"] is image
        assert "4 of 7 classes" in repr(BenchbedSeenLabels(seen_table(SEEN)))


class TestThroughThePipeline:
    @pytest.mark.parametrize("name", AUGMENTATIONS)
    @pytest.mark.parametrize("seed", range(3))
    def test_only_seen_places_and_255_come_out(self, name: str, seed: int) -> None:
        dataset = ListedDataset(random_maps(6, seed))
        items = scenes(dataset, AUGMENTATIONS[name])
        met: set[int] = set()
        for number in range(60):
            with seeded(100 * seed + number):
                met |= set(np.unique(labels_of(items[number % 6])).tolist())
        assert met == {0, 1, 2, 3, 255}

    @pytest.mark.parametrize("name", AUGMENTATIONS)
    def test_unseen_and_ignored_pixels_alone_leave_nothing(self, name: str) -> None:
        """Of a map without a seen pixel no pixel may become one: not by resizing, padding, turning or flipping."""
        unseen = np.array([1, 4, 6, 7, 254, 255, 65535], np.uint16)
        random = np.random.default_rng(0)
        items = scenes(
            ListedDataset([random.choice(unseen, size=(30 + n, 47)) for n in range(4)]), AUGMENTATIONS[name]
        )
        for number in range(40):
            with seeded(number):
                assert (labels_of(items[number % 4]) == 255).all()

    @pytest.mark.parametrize("seed", range(4))
    def test_labels_go_where_their_pixels_go(self, seed: int) -> None:
        """The image shows each pixel's own label (never 128, the padding): after flips, turns, crops and padding, which move
        whole pixels, every label is the rule applied to what the image shows."""
        maps = [each.astype(np.uint8) for each in random_maps(5, seed)]
        exact = replace(FULL, short_sides=(), colour=False)
        items = scenes(ListedDataset(maps), exact)
        padded = 0
        for number in range(50):
            with seeded(number):
                item = items[number % 5]
            shown = item["inputs"][0].numpy()
            assert np.array_equal(labels_of(item), plain(shown, SEEN))
            padded += int((shown == 128).sum())
        assert padded > 1000

    def test_resized_labels_are_those_of_the_nearest_pixel(self) -> None:
        """Inside blocks of 12 pixels, two pixels from any border, image and labels must still agree at any size."""
        maps = [each.astype(np.uint8) for each in random_maps(6, seed=5)]
        items = scenes(ListedDataset(maps), Augmentation(short_sides=(23, 40, 71), quarter_turns=True))
        checked = 0
        for number in range(60):
            with seeded(number):
                item = items[number % 6]
            shown, labels = item["inputs"][0].numpy(), labels_of(item)
            windows = np.lib.stride_tricks.sliding_window_view(shown, (5, 5))
            inner = windows.min((2, 3)) == windows.max((2, 3))
            checked += int(inner.sum())
            assert np.array_equal(labels[2:-2, 2:-2][inner], plain(windows[:, :, 2, 2], SEEN)[inner])
        assert checked > 10_000


def met_by_the_loss(dataset: Dataset, augmentation: Augmentation, indices: range) -> set[int]:
    """Every label that a segmenter's loss is given for these samples, through preprocessor and label stack."""
    segmenter = RecordingSegmenter().train()
    segmenter.set_vocabulary(dataset.card.vocabulary().seen_only())
    items = scenes(dataset, augmentation)
    for start in range(0, len(indices), 4):
        with seeded(start):
            batch = pseudo_collate([items[index] for index in indices[start : start + 4]])
        with torch.no_grad():
            segmenter(**segmenter.data_preprocessor(batch, training=True), mode="loss")
    return segmenter.met


class TestWhatReachesALoss:
    def test_shapes(self) -> None:
        assert met_by_the_loss(open_train(), replace(FULL, crop=96), range(24)) == {*range(15), 255}

    def test_shapes_without_a_crop(self) -> None:
        """Images of different sizes: the preprocessor pads the batch."""
        assert met_by_the_loss(open_train(), Augmentation(quarter_turns=True), range(24)) == {*range(15), 255}

    def test_real_voc(self, shared_voc: Path) -> None:
        """The photos of train that show an unseen class (47 of 290), and some that do not."""
        train = open_voc_train(shared_voc)
        augmentation = Augmentation(short_sides=(128, 192, 256), longest_side=1024, crop=192, colour=True)
        unseen = [index for index in range(len(train)) if _raw_unseen(shared_voc, train.ids[index])]
        assert len(unseen) >= 40
        met: set[int] = set()
        for index in unseen[:24]:
            met |= met_by_the_loss(train, augmentation, range(index, index + 1))
        assert met <= {*range(15), 255}
        assert met_by_the_loss(train, augmentation, range(0, 290, 6)) == {*range(15), 255}

    def test_real_voc_pixel_by_pixel(self, shared_voc: Path) -> None:
        """Without augmentation, against the masks as PIL reads them: 1..15 become 0..14, all else 255."""
        train = open_voc_train(shared_voc)
        items = scenes(train, Augmentation(flip=False))
        for index in range(0, 290, 5):
            raw = _raw(shared_voc, train.ids[index])
            expected = np.where((raw >= 1) & (raw <= 15), raw.astype(int) - 1, 255)
            assert np.array_equal(labels_of(items[index]), expected), train.ids[index]

    def test_real_coco(self, shared: Path) -> None:
        folder = shared / "data/coco-stuff"
        if not folder.is_dir():
            pytest.skip(f"{folder} is not on this machine")
        train = open_coco_train(folder)
        met = met_by_the_loss(train, Augmentation(short_sides=(160, 256), crop=256), range(len(train)))
        assert met <= {*range(156), 255}
        seen = [label for label, flag in enumerate(train.card.seen) if flag]
        whole = [train.labels(index) for index in range(len(train))]
        there = {seen.index(label) for each in whole for label in np.unique(each).tolist() if label in seen}
        assert met - {255} <= there
        assert any(np.isin(each, [k for k in range(171) if k not in seen]).any() for each in whole)


def _raw(root: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(root / f"VOCdevkit/VOC2012/SegmentationClass/{name}.png"))


def _raw_unseen(root: Path, name: str) -> bool:
    raw = _raw(root, name)
    return bool(((raw >= 16) & (raw <= 20)).any())
