"""Object crops: one class's pixels and nothing else, seen classes only, drawn with a fixed choice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from listed_dataset import SEEN, ListedDataset, random_maps

from benchbed.datasets.shapes.dataset import open_train
from benchbed.datasets.voc import open_voc_train
from benchbed.errors import DataError
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from benchbed.training.draws import SeededDataset, seeded
from benchbed.training.objects import ObjectCrops, nearest, random_crop, tight_box
from benchbed.training.seen_labels import seen_table

TABLE = seen_table(SEEN)
MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))


def coloured(maps: list[np.ndarray]) -> ListedDataset:
    """Images that show 10 * (label + 1) in each channel, so that a crop tells whose pixels it shows."""
    images = [np.repeat((10 * (each % 23 + 1)).astype(np.uint8)[..., None], 3, -1) for each in maps]
    return ListedDataset(maps, images)


class TestIndex:
    @pytest.mark.parametrize("seed", range(3))
    def test_one_object_for_each_seen_class_in_each_image(self, seed: int) -> None:
        maps = random_maps(6, seed)
        crops = ObjectCrops(ListedDataset(maps), TABLE, side=8)
        expected = [
            (index, label, TABLE[label])
            for index, each in enumerate(maps)
            for label in range(7)
            if SEEN[label] and (each == label).any()
        ]
        assert [(o.sample, o.label, o.seen) for o in crops.objects] == expected
        assert len(crops) == len(expected)

    def test_so_many_of_each_class_with_replacement_and_the_same_ones_every_time(self) -> None:
        dataset = ListedDataset(random_maps(6, 0))
        crops, every = ObjectCrops(dataset, TABLE, 8, per_class=20), ObjectCrops(dataset, TABLE, 8)
        assert [o.seen for o in crops.objects] == [seen for seen in range(4) for _ in range(20)]
        assert set(crops.objects) <= set(every.objects)
        np.random.seed(5)
        assert ObjectCrops(dataset, TABLE, 8, per_class=20).objects == crops.objects

    def test_the_choice_is_that_of_seed_0(self) -> None:
        """Written out: one generator for all classes, classes in order."""
        dataset = ListedDataset(random_maps(6, 0))
        every = ObjectCrops(dataset, TABLE, 8).objects
        stream, expected = np.random.RandomState(0), []
        for seen in range(4):
            own = [o for o in every if o.seen == seen]
            expected += [own[place] for place in stream.choice(len(own), 5, replace=True)]
        assert list(ObjectCrops(dataset, TABLE, 8, per_class=5).objects) == expected

    def test_classes_that_no_image_shows_are_named(self) -> None:
        crops = ObjectCrops(ListedDataset([np.full((5, 5), 2), np.full((5, 5), 4)]), TABLE, 8, per_class=3)
        assert len(crops) == 3
        assert crops.absent == ("class 0", "class 3", "class 5")
        assert crops.metainfo["classes"] == ("class 0", "class 2", "class 3", "class 5")

    def test_no_seen_object_at_all(self) -> None:
        with pytest.raises(DataError, match="listed: none of the 1 training images shows a seen class"):
            len(ObjectCrops(ListedDataset([np.full((5, 5), 4)]), TABLE, 8))

    def test_label_maps_are_read_once(self, tmp_path: Path) -> None:
        dataset = ListedDataset(random_maps(5, 0))
        crops = ObjectCrops(dataset, TABLE, 8, keep=True, record_folder=tmp_path)
        assert len(crops) == len(crops)
        crops[0]
        assert dataset.reads == 5
        again = ListedDataset(random_maps(5, 0))
        assert ObjectCrops(again, TABLE, 8, record_folder=tmp_path).objects == crops.objects
        assert again.reads == 0


class TestCrops:
    @pytest.mark.parametrize("seed", range(3))
    def test_only_the_classs_own_pixels_show_and_the_rest_is_the_mean(self, seed: int) -> None:
        """Each pixel is the class's own grey or exactly 0 after normalisation; a pixel at the mask's edge, where the bilinear
        filter looked across it, lies between greys."""
        crops = ObjectCrops(coloured(random_maps(6, seed)), TABLE, side=24)
        inner = outside = 0
        for number in range(60):
            index = number % len(crops)
            with seeded(number):
                crop, seen = crops[index]
            assert crop.shape == (3, 24, 24)
            assert crop.dtype == torch.float32
            label = crops.objects[index].label
            assert seen == TABLE[label]
            shown = crop * STD + MEAN
            own = torch.isclose(shown, torch.tensor(10.0 * (label + 1)), atol=1e-3).all(0)
            filled = (crop == 0).all(0)
            assert own.any()
            inner, outside = inner + int(own.sum()), outside + int(filled.sum())
        assert inner > 8_000
        assert outside > 500

    def test_official_fill_is_the_mean_after_normalisation(self) -> None:
        """simseg.md, section 3: about 0.48, 0.46, 0.41, where inference has 0."""
        maps = random_maps(3, 1)
        mean, official = (
            ObjectCrops(ListedDataset(maps), TABLE, 16, fill=fill) for fill in ("mean", "official")
        )
        different = 0
        for index in range(len(mean)):
            with seeded(index):
                first, _ = mean[index]
            with seeded(index):
                second, _ = official[index]
            filled = (first == 0).all(0)
            assert torch.equal(first[:, ~filled], second[:, ~filled])
            expected = torch.tensor([0.48145466, 0.4578275, 0.40821073])
            torch.testing.assert_close(second[:, filled], expected[:, None].expand(3, int(filled.sum())))
            different += int(filled.sum())
        assert different > 100

    def test_a_full_mask_is_the_photo_normalised(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        crops = ObjectCrops(ListedDataset([np.zeros((40, 40), np.uint8)], [image]), TABLE, 40)
        whole = (torch.from_numpy(image.transpose(2, 0, 1).copy()).float() - MEAN) / STD
        for number in range(20):
            with seeded(number):
                crop, _ = crops[0]
            assert float(whole.min()) - 1e-4 <= float(crop.min())
            assert float(crop.max()) <= float(whole.max()) + 1e-4
            assert not torch.equal(crop, whole)

    def test_items_are_functions_of_their_draw(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        listed = ListedDataset([np.zeros((40, 40), np.uint8)], [image])
        crops = SeededDataset(ObjectCrops(listed, TABLE, 16), 7)
        first = [crops[(number, 0)][0] for number in range(8)]
        assert all(torch.equal(crops[(number, 0)][0], first[number]) for number in range(8))
        assert len({each.numpy().tobytes() for each in first}) > 5

    def test_half_of_the_crops_are_mirrored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the whole box as the crop: a gradient's direction tells."""
        monkeypatch.setattr(
            "benchbed.training.objects.RandomResizedCrop.get_params", lambda image, *_: (0, 0, *image.shape)
        )
        image = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
        crops = ObjectCrops(ListedDataset([np.zeros((20, 20), np.uint8)], [image]), TABLE, 20)
        mirrored = 0
        for number in range(200):
            with seeded(number):
                crop, _ = crops[0]
            mirrored += int(crop[0, 0, 0] > crop[0, 0, -1])
        assert 70 < mirrored < 130

    def test_an_unknown_fill_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected 'mean' or 'official'"):
            ObjectCrops(ListedDataset([]), TABLE, 8, fill="zero")  # type: ignore[arg-type]


class TestParts:
    @pytest.mark.parametrize("seed", range(5))
    def test_tight_box(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        mask = np.zeros((20, 30), bool)
        for y, x in random.integers(0, 20, (4, 2)):
            mask[y, x] = True
        ys, xs = np.nonzero(mask)
        rows, columns = tight_box(mask)
        assert (rows.start, rows.stop) == (ys.min(), ys.max() + 1)
        assert (columns.start, columns.stop) == (xs.min(), xs.max() + 1)

    @pytest.mark.parametrize("side", [1, 7, 12, 50])
    def test_nearest_takes_the_pixel_at_the_centre(self, side: int) -> None:
        mask = np.random.default_rng(side).random((12, 19)) < 0.5
        found = nearest(mask, side)
        for y in range(side):
            for x in range(side):
                assert found[y, x] == mask[int((y + 0.5) * 12 / side), int((x + 0.5) * 19 / side)]

    def test_areas_and_aspects_of_the_official_configuration(self) -> None:
        """The image shows each pixel's row and column: its range in the crop tells what was cut out."""
        rows, columns = np.meshgrid(np.arange(200), np.arange(200), indexing="ij")
        image = np.stack([rows, columns, columns], -1).astype(np.uint8)
        areas: Counter[int] = Counter()
        aspects = []
        for number in range(300):
            with seeded(number):
                crop, shown = random_crop(image, np.ones((200, 200), bool), 200)
            assert shown.all()
            high, wide = (int(np.ptp(crop[..., channel])) + 1 for channel in (0, 1))
            areas[min(9, int(10 * high * wide / 40000))] += 1
            aspects.append(wide / high)
            assert high * wide / 40000 > 0.07
        assert 0.7 < min(aspects) < 0.8
        assert 1.25 < max(aspects) < 1.45
        assert len(areas) >= 9  # from 8 % of the box to all of it

    def test_a_crop_always_shows_something_of_the_mask(self) -> None:
        """One pixel in the corner of a large box: most random crops miss it."""
        mask = np.zeros((100, 100), bool)
        mask[0, 0] = mask[99, 99] = True
        image = np.zeros((100, 100, 3), np.uint8)
        for number in range(40):
            with seeded(number):
                crop, shown = random_crop(image, mask, 100)
            assert crop.shape == (100, 100, 3)
            assert shown.any()


class TestRealData:
    def test_shapes(self) -> None:
        dataset = open_train()
        dataset.size = 40
        crops = ObjectCrops(dataset, seen_table(dataset.card.seen), 32, per_class=4, keep=True)
        assert sorted({crops[index][1] for index in range(len(crops))}) == list(range(15))
        assert {dataset.card.names[o.label] for o in crops.objects} == {
            name for name, seen in zip(dataset.card.names, dataset.card.seen, strict=True) if seen
        }

    def test_voc(self, shared_voc: Path) -> None:
        dataset = open_voc_train(shared_voc)
        crops = ObjectCrops(dataset, seen_table(dataset.card.seen), 64, per_class=2)
        assert crops.absent == ()
        assert len(crops) == 30
        assert max(o.label for o in crops.objects) == 14
        assert all(torch.isfinite(crops[index][0]).all() for index in range(0, 30, 3))
