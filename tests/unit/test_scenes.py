"""A bench dataset in mmsegmentation's form: contents, errors, memory, and which samples are left out."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from coco_folder import write_coco
from listed_dataset import SEEN, ListedDataset, random_maps
from mmseg.registry import DATASETS
from rich.console import Console
from voc_devkit import write_devkit

from benchbed.datasets.coco_stuff import open_val
from benchbed.datasets.shapes import ShapesScenes
from benchbed.datasets.voc import open_voc
from benchbed.errors import DataError
from benchbed.progress import Reporter
from benchbed.training.kept_samples import KeptSamples
from benchbed.training.pipelines import training_pipeline
from benchbed.training.presence import classes_present
from benchbed.training.recipe import Augmentation
from benchbed.training.scenes import TrainingScenes
from benchbed.training.seen_labels import seen_table


def flat(*values: int) -> np.ndarray:
    """A map of one row a value."""
    return np.repeat(np.array(values, np.uint16)[:, None], 5, axis=1)


# Of the classes 0..6, 1, 4 and 6 are unseen: the second and fourth sample have no seen pixel.
MIXED = [flat(0, 1), flat(1, 255), flat(5), flat(4, 6, 200, 65535), flat(255, 2), flat(3, 3)]


class TestLoading:
    def test_results_are_mmsegmentations(self) -> None:
        dataset = ShapesScenes("train", 3)
        results = TrainingScenes(dataset, []).loaded(1)
        sample = dataset.sample(1)
        assert np.array_equal(results["img"], sample.image[:, :, ::-1])
        assert results["img"].flags.c_contiguous
        assert np.array_equal(results["gt_seg_map"], sample.labels)
        assert results["ori_shape"] == results["img_shape"] == sample.labels.shape
        assert results["seg_fields"] == ["gt_seg_map"]
        assert results["reduce_zero_label"] is False
        assert results["img_path"] == sample.id

    def test_registered_with_mmsegmentation(self) -> None:
        built = DATASETS.build(
            {"type": "TrainingScenes", "dataset": ShapesScenes("train", 3), "pipeline": []}
        )
        assert len(built) == 3
        assert built[2]["img_path"] == "train-0-00002"

    def test_metainfo_has_the_seen_classes(self) -> None:
        scenes = TrainingScenes(ListedDataset(MIXED), [])
        assert scenes.metainfo["classes"] == ("class 0", "class 2", "class 3", "class 5")

    @pytest.mark.parametrize("keep", [False, True])
    def test_changing_what_was_loaded_changes_no_later_load(self, keep: bool) -> None:
        scenes = TrainingScenes(ListedDataset(MIXED), [], keep=keep)
        first = scenes.loaded(0)
        first["img"][:] = 9
        first["gt_seg_map"][:] = 9
        assert np.array_equal(scenes.loaded(0)["gt_seg_map"], MIXED[0])
        assert np.array_equal(scenes.loaded(0)["img"][..., 0], MIXED[0])

    def test_sizes_that_differ(self) -> None:
        dataset = ListedDataset(MIXED, [np.zeros((7, 5, 3), np.uint8)] * len(MIXED))
        with pytest.raises(DataError, match=r"listed sample sample-2: the image has \(7, 5\).*\(1, 5\)"):
            TrainingScenes(dataset, [])[2]

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        kit = write_devkit(tmp_path)
        kit.image(kit.ids[1]).write_bytes(kit.image(kit.ids[1]).read_bytes()[:300])
        kit.mask(kit.ids[2]).unlink()
        kit.mask(kit.ids[2]).write_bytes(b"")
        dataset = open_voc(tmp_path)
        scenes = TrainingScenes(dataset, training_pipeline(Augmentation(), seen_table(dataset.card.seen)))
        assert scenes[0]["inputs"].shape[0] == 3
        with pytest.raises(DataError, match=rf"{kit.ids[1]}\.jpg is not a whole image"):
            scenes[1]
        with pytest.raises(DataError, match=rf"{kit.ids[2]}\.png is empty"):
            scenes[2]

    def test_an_error_in_a_transform_names_the_sample(self) -> None:
        def broken(results: dict[str, object]) -> dict[str, object]:
            raise RuntimeError("no")

        with pytest.raises(RuntimeError) as caught:
            TrainingScenes(ListedDataset(MIXED), [broken])[4]
        assert caught.value.__notes__ == ["while sample-4 of listed was being augmented"]


class TestKeeping:
    def test_each_sample_is_read_once(self) -> None:
        dataset = ListedDataset(MIXED)
        kept = KeptSamples(dataset)
        for _ in range(3):
            for index in range(len(dataset)):
                assert np.array_equal(kept.sample(index).labels, MIXED[index])
        assert dataset.reads == len(MIXED)

    def test_preload_reads_all(self) -> None:
        dataset = ListedDataset(MIXED)
        kept = KeptSamples(dataset).preload()
        assert dataset.reads == len(MIXED)
        kept.sample(3)
        assert dataset.reads == len(MIXED)

    def test_kept_arrays_cannot_be_written(self) -> None:
        sample = KeptSamples(ListedDataset(MIXED)).sample(0)
        with pytest.raises(ValueError, match="read-only"):
            sample.labels[0, 0] = 3

    def test_it_is_the_same_dataset_to_others(self) -> None:
        dataset = ShapesScenes("train", 4)
        kept = KeptSamples(dataset)
        assert (kept.card, kept.ids, kept.identity, kept.root, len(kept), kept.coverage()) == (
            *(dataset.card, dataset.ids, dataset.identity, dataset.root, 4, dataset.coverage()),
        )


class TestWithoutSeen:
    def test_samples_without_a_seen_pixel_are_left_out(self) -> None:
        scenes = TrainingScenes(ListedDataset(MIXED), [], drop_without_seen=True)
        assert len(scenes) == 4
        assert [scenes.loaded(index)["img_path"][-1] for index in range(4)] == ["0", "2", "4", "5"]
        assert scenes.dropped == ("sample-1", "sample-3")

    def test_otherwise_nothing_is_left_out_and_nothing_read(self) -> None:
        dataset = ListedDataset(MIXED)
        scenes = TrainingScenes(dataset, [])
        assert len(scenes) == len(MIXED)
        assert scenes.dropped == ()
        assert dataset.reads == 0

    def test_reading_waits_until_it_is_needed_and_happens_once(self) -> None:
        dataset = ListedDataset(MIXED)
        scenes = TrainingScenes(dataset, [], drop_without_seen=True)
        assert dataset.reads == 0
        assert len(scenes) == len(scenes) == 4
        assert dataset.reads == len(MIXED)


class TestPresence:
    @pytest.mark.parametrize("seed", range(3))
    def test_classes_of_each_map(self, seed: int) -> None:
        maps = random_maps(8, seed)
        found = classes_present(ListedDataset(maps))
        assert found == tuple(tuple(sorted(set(np.unique(each).tolist()) & set(range(7)))) for each in maps)

    def test_a_record_saves_reading_again(self, tmp_path: Path) -> None:
        dataset = ListedDataset(MIXED)
        first = classes_present(dataset, tmp_path / "training")
        again = ListedDataset(MIXED)
        assert classes_present(again, tmp_path / "training") == first
        assert (dataset.reads, again.reads) == (len(MIXED), 0)
        assert [path.name for path in (tmp_path / "training").iterdir()] == [
            f"classes-{dataset.identity[:16]}.json"
        ]

    def test_a_record_of_other_data_does_not_count(self, tmp_path: Path) -> None:
        classes_present(ListedDataset(MIXED), tmp_path)
        other = ListedDataset([*MIXED[1:], MIXED[0]])
        assert classes_present(other, tmp_path)[-1] == (0, 1)
        assert other.reads == len(MIXED)

    @pytest.mark.parametrize("damage", ["", "{", "[]", '{"identity": "x"}'])
    def test_a_damaged_record_is_replaced(self, tmp_path: Path, damage: str) -> None:
        dataset = ListedDataset(MIXED)
        path = tmp_path / f"classes-{dataset.identity[:16]}.json"
        path.write_text(damage)
        assert classes_present(dataset, tmp_path)[2] == (5,)
        assert json.loads(path.read_text())["identity"] == dataset.identity

    def test_a_folder_that_cannot_be_written_costs_only_time(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        assert classes_present(ListedDataset(MIXED), tmp_path / "file")[2] == (5,)

    def test_photos_are_not_read_where_label_maps_can_be_alone(self, tmp_path: Path) -> None:
        folder = write_coco(tmp_path, count=3)
        for name in folder.ids:
            folder.image(name).write_bytes(b"damaged")
        found = classes_present(open_val(tmp_path))
        assert [len(each) > 100 for each in found] == [True] * 3

    def test_progress_is_shown(self) -> None:
        page = StringIO()
        classes_present(ListedDataset(MIXED), reporter=Reporter(Console(file=page)))
        assert "reading the label maps of listed: 6 of 6" in page.getvalue()

    def test_a_damaged_label_map_is_named(self, tmp_path: Path) -> None:
        kit = write_devkit(tmp_path)
        kit.mask(kit.ids[1]).write_bytes(b"damaged")
        with pytest.raises(DataError, match=rf"{kit.ids[1]}\.png is not a whole image"):
            classes_present(open_voc(tmp_path))

    def test_seen_flags_of_the_fixture(self) -> None:
        assert [label for label, seen in enumerate(SEEN) if not seen] == [1, 4, 6]
