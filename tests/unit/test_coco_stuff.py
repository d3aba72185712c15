"""COCO-Stuff: the facts of its split, reading, layouts, and what tells one set of files from another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_folder import LAYOUTS, NEVER, RAW, UNSEEN_RAW, ZSSEG, write_coco
from PIL import Image

from benchbed.datasets.coco_stuff import DATASET, open_train, open_val
from benchbed.datasets.dataset import Dataset
from benchbed.registry import DATASET_GROUP, find, resolve

# SPLITS.md, section 3: raw id, name and place among the 171 labels of each unseen class.
UNSEEN = {
    **{"cow": (20, 19), "giraffe": (24, 23), "suitcase": (32, 28), "frisbee": (33, 29)},
    **{"skateboard": (40, 36), "carrot": (56, 51), "scissors": (86, 76), "cardboard": (99, 88)},
    **{"clouds": (105, 94), "grass": (123, 112), "playingfield": (144, 133), "river": (147, 136)},
    **{"road": (148, 137), "tree": (168, 157), "wall-concrete": (171, 160)},
}


@pytest.fixture
def shared_coco(shared: Path) -> Path:
    folder = shared / "data/coco-stuff"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine")
    return folder


class TestCard:
    def test_classes_and_split(self) -> None:
        assert len(DATASET.names) == len(set(DATASET.names)) == 171
        assert sum(DATASET.seen) == 156
        assert {name for name, seen in zip(DATASET.names, DATASET.seen, strict=True) if not seen} == set(
            UNSEEN
        )
        for name, (raw, label) in UNSEEN.items():
            assert DATASET.names[label] == name
            assert RAW[label] == raw
        assert sorted(raw for raw, _ in UNSEEN.values()) == sorted(UNSEEN_RAW)

    def test_facts(self) -> None:
        assert (DATASET.full_size, DATASET.split, DATASET.ignore) == (5000, "val", 255)
        assert DATASET.matched_sides == (640, 2560)
        assert not DATASET.embedded
        assert DATASET.names[0] == "person"
        assert "stuffthingmaps_trainval2017.zip" in DATASET.source
        assert len(DATASET.protocol_notes[0]) < 100  # every table shows it

    def test_no_author_spells_a_class_in_another_way(self) -> None:
        assert DATASET.vocabulary(("zegformer", "zsseg", "san")).prompts == DATASET.names

    def test_registered_under_its_name(self) -> None:
        assert find(DATASET_GROUP, "coco-stuff").object is DATASET
        assert resolve(DATASET.open) is open_val
        assert resolve(DATASET.open_train) is open_train

    def test_names_are_the_official_ones(self, shared_coco: Path) -> None:
        """labels.txt counts from 1, 0 being "unlabeled": raw id r is line r + 1."""
        lines = (shared_coco / "labels_182.txt").read_text().splitlines()
        official = [line.split(": ", 1)[1].strip() for line in lines]
        assert list(DATASET.names) == [official[raw + 1] for raw in RAW]
        assert sorted(official[raw + 1] for raw in NEVER) == sorted(
            [
                *("blender", "desk", "door", "eye glasses", "hair brush", "hat"),
                *("mirror", "plate", "shoe", "street sign", "window"),
            ]
        )

    def test_card_loads_neither_torch_nor_pil(self) -> None:
        code = "import sys, benchbed.datasets.coco_stuff; print({'torch', 'PIL', 'mmseg'} & set(sys.modules))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "set()"


class TestReading:
    @pytest.mark.parametrize("layout", LAYOUTS, ids=[layout[1] for layout in LAYOUTS])
    @pytest.mark.parametrize(("split", "opened"), [("val", open_val), ("train", open_train)])
    def test_every_layout(self, tmp_path: Path, layout: tuple[str, str], split: str, opened: object) -> None:
        folder = write_coco(tmp_path, split, layout=layout)
        dataset: Dataset = opened(tmp_path)  # type: ignore[operator]
        assert dataset.ids == folder.ids
        assert dataset.root == tmp_path
        assert dataset.sample(0).id == folder.ids[0]

    @pytest.mark.parametrize("below", ["coco-stuff", "coco"])
    def test_a_folder_above_will_do(
        self, tmp_path: Path, below: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write_coco(tmp_path / below)
        assert open_val(tmp_path).root == folder.root
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        assert open_val(None).ids == folder.ids

    @pytest.mark.parametrize("seed", range(3))
    def test_labels_are_places_among_the_raw_ids_that_occur(self, tmp_path: Path, seed: int) -> None:
        folder = write_coco(tmp_path, seed=seed)
        dataset = open_val(tmp_path)
        for index, name in enumerate(folder.ids):
            sample, raw = dataset.sample(index), folder.raw[name]
            expected = np.array([255 if r == 255 else RAW.index(r) for r in raw.ravel()]).reshape(raw.shape)
            assert np.array_equal(sample.labels, expected)
            assert sample.labels.dtype == np.uint8
            assert np.array_equal(dataset.labels(index), expected)
            assert np.array_equal(sample.image, np.asarray(Image.open(folder.image(name)).convert("RGB")))

    def test_grey_photos_get_three_channels(self, tmp_path: Path) -> None:
        folder = write_coco(tmp_path)
        path = folder.image(folder.ids[0])
        Image.open(path).convert("L").save(path)
        assert open_val(tmp_path).sample(0).image.shape == (40, 56, 3)

    def test_files_of_other_kinds_do_not_count(self, tmp_path: Path) -> None:
        """mmsegmentation's converter leaves its maps beside the official ones."""
        folder = write_coco(tmp_path, layout=LAYOUTS[1])
        for name in folder.ids:
            (folder.masks / f"{name}_labelTrainIds.png").write_bytes(b"another map")
        (folder.images / "README.txt").write_text("photos")
        (folder.images / "folder.jpg").mkdir()
        assert open_val(tmp_path).ids == folder.ids

    def test_coverage_and_splits_apart(self, tmp_path: Path) -> None:
        write_coco(tmp_path, "val", count=3)
        write_coco(tmp_path, "train", count=2)
        assert open_val(tmp_path).coverage() == "3 of 5,000 images"
        assert open_val(tmp_path).coverage(1) == "1 of 5,000 images"
        assert open_train(tmp_path).coverage() == "2 of 118,287 images of train2017"

    def test_identity_tells_ids_contents_and_splits_apart(self, tmp_path: Path) -> None:
        write_coco(tmp_path / "a")
        write_coco(tmp_path / "b", layout=LAYOUTS[1])
        first = open_val(tmp_path / "a").identity
        assert open_val(tmp_path / "b").identity == first  # where the files lie says nothing of what they are
        folder = write_coco(tmp_path / "c", seed=1)
        assert open_val(tmp_path / "c").identity != first
        before = open_val(tmp_path / "c").identity
        folder.image(folder.ids[0]).unlink()
        assert open_val(tmp_path / "c").identity != before
        write_coco(tmp_path / "a", "train", layout=ZSSEG)
        assert open_train(tmp_path / "a").identity != first


class TestRealSample:
    @pytest.mark.parametrize(("opened", "count"), [(open_val, 8), (open_train, 13)])
    def test_every_file(self, shared_coco: Path, opened: object, count: int) -> None:
        dataset: Dataset = opened(shared_coco)  # type: ignore[operator]
        assert len(dataset) == count
        folder = shared_coco / ("val_label" if count == 8 else "train_label")
        for index, name in enumerate(dataset.ids):
            sample, raw = dataset.sample(index), np.asarray(Image.open(folder / f"{name}.png"))
            labelled = raw != 255
            assert np.array_equal(np.array(RAW)[sample.labels[labelled]], raw[labelled])
            assert (sample.labels[~labelled] == 255).all()
            assert sample.image.shape[:2] == raw.shape
