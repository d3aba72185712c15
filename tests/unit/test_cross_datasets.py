"""ADE20K-150, ADE20K-847, PASCAL Context-59 and -459: the facts, every layout, what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pair_files import write_pairs
from PIL import Image

from benchbed.datasets import ade20k_150, ade20k_847, pascal_context_59, pascal_context_459
from benchbed.datasets.ade20k_847_classes import RELEASE_IDS
from benchbed.datasets.lacking import LackingFiles
from benchbed.datasets.pascal_context_classes import IDS_59, NAMES_59, NAMES_459
from benchbed.errors import DataError, MissingError
from benchbed.registry import DATASET_GROUP, find, resolve

MODULES = {
    "ade20k-150": (ade20k_150, 150, 2000, 255),
    "ade20k-847": (ade20k_847, 847, 2000, 65535),
    "pascal-context-59": (pascal_context_59, 59, 5105, 255),
    "pascal-context-459": (pascal_context_459, 459, 5105, 65535),
}
# dataset -> layouts: photos, label maps, their ending, stored value of class 0, stored ignored value, list or None
LAYOUTS = {
    "ade20k-150": [
        (
            "ADEChallengeData2016/images/validation",
            "ADEChallengeData2016/annotations/validation",
            ".png",
            1,
            0,
            None,
        ),
        ("images/validation", "annotations/validation", ".png", 1, 0, None),
        ("images", "annotations", ".png", 1, 0, None),
    ],
    "ade20k-847": [
        (
            "ADE20K_2021_17_01/images_detectron2/validation",
            "ADE20K_2021_17_01/annotations_detectron2/validation",
            *(".tif", 0, 65535, None),
        ),
    ],
    "pascal-context-59": [
        (
            "VOCdevkit/VOC2010/JPEGImages",
            "VOCdevkit/VOC2010/SegmentationClassContext",
            *(".png", 1, 0, "VOCdevkit/VOC2010/ImageSets/SegmentationContext/val.txt"),
        ),
        ("pcontext/val/image", "pcontext/val/label", ".png", 0, 255, None),
    ],
    "pascal-context-459": [
        ("pcontext_full/val/image", "pcontext_full/val/label", ".tif", 0, 65535, None),
        (
            "VOCdevkit/VOC2010/JPEGImages",
            "VOCdevkit/VOC2010/annotations_detectron2/pc459_val",
            *(".tif", 0, 65535, None),
        ),
    ],
}
CASES = [(name, layout) for name, layouts in LAYOUTS.items() for layout in layouts]
IDS = ("ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000007")


def write_layout(root: Path, name: str, layout: tuple, seed: int = 0) -> dict[str, np.ndarray]:
    images, masks, ending, first, ignored, listed = layout
    values = [*range(first, first + MODULES[name][1]), ignored]
    raw = write_pairs(root / images, root / masks, IDS, values, ending, seed)
    if listed:
        (root / listed).parent.mkdir(parents=True)
        (root / listed).write_text("".join(f"{each}\n" for each in IDS))
    return raw


class TestCards:
    @pytest.mark.parametrize("name", MODULES)
    def test_facts(self, name: str) -> None:
        module, classes, images, ignore = MODULES[name]
        card = module.DATASET
        assert (card.name, len(card.names), len(set(card.names))) == (name, classes, classes)
        assert (card.full_size, card.split, card.ignore) == (images, "val", ignore)
        assert not any(card.seen)  # tested across datasets: there is no seen/unseen split
        assert len(card.protocol_notes[0]) < 130
        assert find(DATASET_GROUP, name).object is card
        assert resolve(card.open) is module.open_val

    @pytest.mark.parametrize(
        ("name", "author", "spelt"),
        [
            ("ade20k-150", "", {0: "wall", 6: "road", 7: "bed", 149: "flag", 89: "television receiver"}),
            ("ade20k-150", "san", {6: "road, route", 8: "window", 89: "tv", 109: "pool", 149: "flag"}),
            ("ade20k-150", "zsseg", {113: "falls", 138: "trash can"}),
            ("ade20k-150", "maskclip", {6: "road", 89: "television receiver"}),
            ("ade20k-847", "san", {1: "building, edifice", 4: "road, route", 832: "dumbbell"}),
            ("ade20k-847", "", {0: "wall", 846: "adding machine, totalizer, totaliser"}),
            ("pascal-context-59", "", {0: "aeroplane", 39: "pottedplant", 49: "table", 58: "wood"}),
            ("pascal-context-59", "san", {49: "diningtable", 54: "tvmonitor"}),
            ("pascal-context-59", "zsseg", {49: "diningtable"}),
            (
                "pascal-context-59",
                "maskclip",
                {0: "airplane", 39: "potted plant", 49: "table", 54: "tv monitor"},
            ),
            ("pascal-context-459", "san", {0: "accordion", 1: "aeroplane", 458: "wool"}),
            ("pascal-context-459", "maskclip", {1: "airplane", 307: "potted plant", 426: "tv monitor"}),
        ],
    )
    def test_spellings(self, name: str, author: str, spelt: dict[int, str]) -> None:
        prompts = MODULES[name][0].DATASET.vocabulary((author,)).prompts
        assert {label: prompts[label] for label in spelt} == spelt

    def test_ade_names_are_the_first_words_of_the_official_rows(self, shared: Path) -> None:
        """objectInfo150.csv writes `chest;of;drawers` style synonyms; the first word agrees, but for one-word classes wholly."""
        path = shared / "data/ade20k/objectInfo150.csv"
        if not path.is_file():
            pytest.skip(f"{path} is not on this machine")
        rows = [line.split(",")[-1] for line in path.read_text().splitlines()[1:]]
        assert len(rows) == 150
        for name, row in zip(ade20k_150.DATASET.names, rows, strict=True):
            assert row.replace(";", " ").startswith(name.split()[0]), (name, row)

    def test_context_59_are_among_the_459_in_their_order(self) -> None:
        assert len(IDS_59) == 59
        assert list(IDS_59) == sorted(IDS_59)
        assert [NAMES_459[number - 1] for number in IDS_59] == list(NAMES_59)
        assert list(NAMES_459) == sorted(
            NAMES_459, key=lambda name: name.replace(" ", "\x00").replace("-", "\x01")
        )

    def test_847_ids_are_apart(self) -> None:
        assert len(set(RELEASE_IDS)) == 847
        assert (RELEASE_IDS[0], RELEASE_IDS[1], RELEASE_IDS[-1]) == (2978, 312, 3148)

    def test_cards_load_neither_torch_nor_pil(self) -> None:
        modules = ", ".join(
            f"benchbed.datasets.{m}" for m in ("ade20k_150", "ade20k_847", "pascal_context_459", "voc_forms")
        )
        code = f"import sys, {modules}; print({{'torch', 'PIL', 'mmseg'}} & set(sys.modules))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "set()"


class TestReading:
    @pytest.mark.parametrize(("name", "layout"), CASES)
    @pytest.mark.parametrize("seed", range(2))
    def test_every_layout(self, tmp_path: Path, name: str, layout: tuple, seed: int) -> None:
        raw = write_layout(tmp_path, name, layout, seed)
        module, _, _, ignore = MODULES[name]
        dataset = module.open_val(tmp_path)
        assert dataset.ids == IDS
        for index, each in enumerate(IDS):
            sample, stored = dataset.sample(index), raw[each].astype(int)
            assert np.array_equal(sample.labels, np.where(stored == layout[4], ignore, stored - layout[3]))
            assert sample.labels.dtype == (np.uint8 if ignore == 255 else np.uint16)
            assert np.array_equal(sample.image, np.asarray(Image.open(tmp_path / layout[0] / f"{each}.jpg")))
        assert dataset.coverage() == f"3 of {MODULES[name][2]:,} images"

    @pytest.mark.parametrize(("name", "layout"), CASES)
    def test_a_folder_above_and_the_environment(
        self, tmp_path: Path, name: str, layout: tuple, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_layout(tmp_path / name, name, layout)
        module = MODULES[name][0]
        assert module.open_val(tmp_path).ids == IDS
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        assert module.open_val(None).ids == IDS

    def test_both_context_forms_may_share_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "pascal-context"
        write_layout(home, "pascal-context-459", LAYOUTS["pascal-context-459"][1])
        write_layout(home, "pascal-context-59", LAYOUTS["pascal-context-59"][0])
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        assert pascal_context_59.open_val(None).root == pascal_context_459.open_val(None).root

    def test_the_two_context_label_kinds_are_never_confused(self, tmp_path: Path) -> None:
        """SAN's folders for 59 and 459 classes have the same names inside; only the files' endings differ."""
        write_layout(tmp_path, "pascal-context-459", ("val/image", "val/label", ".tif", 0, 65535, None))
        with pytest.raises(DataError, match=r"val/image is there but no .*val/label/\*\.png"):
            pascal_context_59.open_val(tmp_path)

    def test_detectron2s_shifted_ade_maps_are_not_taken(self, tmp_path: Path) -> None:
        write_pairs(
            tmp_path / "images/validation", tmp_path / "annotations_detectron2/validation", IDS, [0, 1, 255]
        )
        with pytest.raises(DataError, match=r"annotations/validation/ADE_val_\*\.png"):
            ade20k_150.open_val(tmp_path)

    def test_training_files_beside_do_not_count(self, tmp_path: Path) -> None:
        write_pairs(tmp_path / "images", tmp_path / "annotations", (*IDS, "ADE_train_1"), [0, 1])
        assert ade20k_150.open_val(tmp_path).ids == IDS

    def test_real_samples(self, shared: Path) -> None:
        folder = shared / "data/ade20k"
        if not folder.is_dir():
            pytest.skip(f"{folder} is not on this machine")
        dataset = ade20k_150.open_val(folder)
        assert len(dataset) == 3
        for index, name in enumerate(dataset.ids):
            raw = np.asarray(Image.open(folder / "annotations" / f"{name}.png")).astype(int)
            sample = dataset.sample(index)
            assert np.array_equal(sample.labels, np.where(raw == 0, 255, raw - 1))
            assert sample.image.shape[:2] == raw.shape

    def test_identity_tells_contents_apart(self, tmp_path: Path) -> None:
        layouts = LAYOUTS["pascal-context-459"]
        write_layout(tmp_path / "a", "pascal-context-459", layouts[0])
        write_layout(tmp_path / "b", "pascal-context-459", layouts[1])
        write_layout(tmp_path / "c", "pascal-context-459", layouts[0], seed=1)
        a, b, c = (pascal_context_459.open_val(tmp_path / each).identity for each in "abc")
        assert a == b != c


class TestBadInput:
    @pytest.mark.parametrize("name", MODULES)
    def test_nothing_given(self, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("BENCHBED_DATA", raising=False)
        module = MODULES[name][0]
        with pytest.raises(
            MissingError, match=f"dataset {name} needs .* benchbed data get {name}|no --data-root"
        ):
            module.open_val(None)
        with pytest.raises(DataError, match="does not exist"):
            module.open_val(tmp_path / "nowhere")
        (tmp_path / "something").touch()
        with pytest.raises(DataError, match="holds something, but no "):
            module.open_val(tmp_path)
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        with pytest.raises(MissingError, match="BENCHBED_DATA="):
            module.open_val(None)

    @pytest.mark.parametrize(("name", "layout"), CASES)
    def test_missing_files_are_named_all(self, tmp_path: Path, name: str, layout: tuple) -> None:
        write_layout(tmp_path, name, layout)
        photo, mask = tmp_path / layout[0] / f"{IDS[0]}.jpg", tmp_path / layout[1] / f"{IDS[1]}{layout[2]}"
        by_masks = "pc459_val" in layout[1]
        photo.unlink()
        if not by_masks:
            mask.unlink()
        if layout[5] is None and not by_masks:
            photo.touch()  # photos make the list here; an empty one is found when it is read
        with pytest.raises(LackingFiles) as caught:
            MODULES[name][0].open_val(tmp_path)
        gone = ([photo] if layout[5] or by_masks else []) + ([] if by_masks else [mask])
        assert len(caught.value.each) == len(gone)
        for path, line in zip(gone, caught.value.each, strict=True):
            assert str(path) in line
            assert str(path) in str(caught.value)

    def test_sizes_must_agree(self, tmp_path: Path) -> None:
        write_layout(tmp_path, "ade20k-847", LAYOUTS["ade20k-847"][0])
        path = tmp_path / LAYOUTS["ade20k-847"][0][0] / f"{IDS[0]}.jpg"
        Image.open(path).resize((9, 8)).save(path)
        with pytest.raises(DataError, match=r"is 9 x 8 but its mask .* is 56 x 40"):
            ade20k_847.open_val(tmp_path).sample(0)

    def test_a_list_with_foreign_lines(self, tmp_path: Path) -> None:
        layout = LAYOUTS["pascal-context-59"][0]
        write_layout(tmp_path, "pascal-context-59", layout)
        (tmp_path / layout[5]).write_text("JPEGImages/2008_000001.jpg\n")
        with pytest.raises(DataError, match="expected a bare image id"):
            pascal_context_59.open_val(tmp_path)

    def test_more_images_than_the_official_split(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        write_layout(tmp_path, "ade20k-150", LAYOUTS["ade20k-150"][0])
        monkeypatch.setattr(ade20k_150, "DATASET", replace(ade20k_150.DATASET, full_size=2))
        with pytest.raises(DataError, match="the official val has 2, so there are others"):
            ade20k_150.open_val(tmp_path)
