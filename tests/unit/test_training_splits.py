"""Training splits of shapes and VOC: which images, which masks, and nothing of val among them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from voc_devkit import Devkit, random_mask, write_devkit, write_mask

from benchbed.datasets import shapes
from benchbed.datasets.shapes.dataset import open_train, open_val
from benchbed.datasets.voc import DATASET, open_voc, open_voc_train
from benchbed.errors import DataError
from benchbed.registry import resolve


@pytest.fixture
def kit(tmp_path: Path) -> Devkit:
    """Eight images: the first two are val's, the rest train's."""
    kit = write_devkit(tmp_path / "data", count=8)
    kit.list_file.write_text("\n".join(kit.ids[:2]))
    kit.list_file.with_name("train.txt").write_text("\n".join(kit.ids[2:]))
    return kit


def augment(kit: Devkit, names: tuple[str, ...]) -> None:
    """Add a trainaug list of all training images, and other masks for `names`."""
    kit.list_file.with_name("trainaug.txt").write_text("\n".join(kit.ids[2:]))
    folder = kit.folder / "SegmentationClassAug"
    folder.mkdir()
    for name in names:
        write_mask(folder / f"{name}.png", random_mask(kit.ids.index(name), seed=9))


def labels_of(raw: np.ndarray) -> np.ndarray:
    return np.where((raw == 0) | (raw == 255), 255, raw.astype(int) - 1)


class TestShapes:
    def test_the_card_names_it(self) -> None:
        assert resolve(shapes.DATASET.open_train) is open_train

    def test_twelve_thousand_scenes_apart_from_val(self) -> None:
        train = open_train(None)
        assert len(train) == 12_000
        assert train.coverage() == "12,000 of 12,000 images"
        assert open_val(None).coverage(7) == "7 of 200 images"
        assert not set(train.ids) & set(open_val(None).ids)
        assert train.identity != open_val(None).identity
        assert not np.array_equal(
            train.sample(3).image[:100, :100], open_val(None).sample(3).image[:100, :100]
        )

    def test_labels_have_all_classes(self) -> None:
        train = open_train()
        met = set().union(*(np.unique(train.sample(index).labels).tolist() for index in range(60)))
        assert met == {*range(20), 255}


class TestVoc:
    def test_the_card_names_it(self) -> None:
        assert resolve(DATASET.open_train) is open_voc_train

    def test_plain_list(self, kit: Devkit) -> None:
        train = open_voc_train(kit.root)
        assert train.ids == kit.ids[2:]
        assert train.coverage() == "6 of 1,464 images of train"
        assert open_voc(kit.root).coverage() == "2 of 1,449 images"
        for index, name in enumerate(train.ids):
            assert np.array_equal(train.sample(index).labels, labels_of(kit.raw[name]))
            assert np.array_equal(train.labels(index), train.sample(index).labels)

    def test_augmented_list_and_its_masks_come_first(self, kit: Devkit) -> None:
        before = open_voc_train(kit.root).identity
        augment(kit, kit.ids[2:5])
        train = open_voc_train(kit.root)
        assert train.ids == kit.ids[2:]
        assert train.coverage() == "6 of 10,582 images of trainaug"
        assert train.identity != before
        for index, name in enumerate(train.ids):
            raw = random_mask(kit.ids.index(name), seed=9) if name in kit.ids[2:5] else kit.raw[name]
            assert np.array_equal(train.sample(index).labels, labels_of(raw)), name

    def test_val_never_reads_the_augmented_masks(self, kit: Devkit) -> None:
        before = open_voc(kit.root).identity
        augment(kit, kit.ids)
        val = open_voc(kit.root)
        assert val.identity == before
        assert np.array_equal(val.sample(0).labels, labels_of(kit.raw[kit.ids[0]]))

    def test_augmented_masks_without_their_list_are_not_used(self, kit: Devkit) -> None:
        augment(kit, kit.ids[2:])
        kit.list_file.with_name("trainaug.txt").unlink()
        assert open_voc_train(kit.root).coverage() == "6 of 1,464 images of train"

    @pytest.mark.parametrize("name", ["train", "trainaug"])
    def test_images_of_val_are_refused(self, kit: Devkit, name: str) -> None:
        if name == "trainaug":
            augment(kit, kit.ids[2:])
        kit.list_file.with_name(f"{name}.txt").write_text("\n".join(kit.ids[1:]))
        with pytest.raises(DataError, match=rf"{name}\.txt names 1 images of val \({kit.ids[1]}\)"):
            open_voc_train(kit.root)

    def test_val_need_not_be_there(self, kit: Devkit) -> None:
        kit.list_file.unlink()
        assert len(open_voc_train(kit.root)) == 6

    def test_no_list(self, kit: Devkit) -> None:
        kit.list_file.with_name("train.txt").unlink()
        with pytest.raises(DataError, match=r"train\.txt cannot be read"):
            open_voc_train(kit.root)

    def test_a_mask_in_no_folder(self, kit: Devkit) -> None:
        augment(kit, kit.ids[2:5])
        kit.mask(kit.ids[7]).unlink()
        with pytest.raises(DataError, match=rf"1 lack a file.*SegmentationClass/{kit.ids[7]}\.png"):
            open_voc_train(kit.root)

    def test_too_long_a_list(self, kit: Devkit) -> None:
        kit.list_file.with_name("train.txt").write_text("\n".join(f"2008_{n:06d}" for n in range(1465)))
        with pytest.raises(DataError, match=r"names 1,465 images: the official train has 1,464"):
            open_voc_train(kit.root)

    def test_environment_and_missing_parts_as_for_val(self, kit: Devkit) -> None:
        shutil.rmtree(kit.folder / "JPEGImages")
        with pytest.raises(DataError, match="has no JPEGImages"):
            open_voc_train(kit.root)

    def test_real_photos(self, shared_voc: Path) -> None:
        train = open_voc_train(shared_voc)
        assert train.coverage() == "290 of 1,464 images of train"
        assert not set(train.ids) & set(open_voc(shared_voc).ids)
