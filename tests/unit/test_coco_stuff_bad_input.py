"""COCO-Stuff that is missing, half there or malformed: each case has its one error that names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from coco_folder import NEVER, CocoFolder, write_coco
from PIL import Image

from benchbed.datasets import coco_stuff
from benchbed.datasets.coco_stuff import open_train, open_val
from benchbed.errors import EXIT_MISSING, DataError, MissingError


@pytest.fixture
def folder(tmp_path: Path) -> CocoFolder:
    return write_coco(tmp_path / "data", count=6)


class TestRoot:
    def test_nothing_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("BENCHBED_DATA", raising=False)
        with pytest.raises(MissingError, match=r"--data-root.*train2017\.zip.*stuffthingmaps") as caught:
            open_train(None)
        assert caught.value.exit_code == EXIT_MISSING

    def test_environment_without_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        with pytest.raises(MissingError, match=r"BENCHBED_DATA=.* holds nothing, but no val2017"):
            open_val(None)

    def test_root_that_is_not_there_or_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"nowhere does not exist: a folder"):
            open_val(tmp_path / "nowhere")
        (tmp_path / "val2017.zip").write_bytes(b"x")
        with pytest.raises(DataError, match=r"val2017\.zip is a file: a folder"):
            open_val(tmp_path / "val2017.zip")

    def test_only_the_other_split(self, folder: CocoFolder) -> None:
        with pytest.raises(
            DataError, match=r"holds stuffthingmaps, val2017, but no train2017 beside .*train2017"
        ):
            open_train(folder.root)

    @pytest.mark.parametrize("missing", ["images", "masks"])
    def test_half_a_split(self, folder: CocoFolder, missing: str) -> None:
        shutil.rmtree(getattr(folder, missing))
        kept = folder.masks if missing == "images" else folder.images
        gone = folder.images if missing == "images" else folder.masks
        with pytest.raises(DataError, match=rf"^{kept} is there but no {gone}/.*: get "):
            open_val(folder.root)

    def test_no_photo(self, folder: CocoFolder) -> None:
        for name in folder.ids:
            folder.image(name).unlink()
        with pytest.raises(DataError, match=r"stuffthingmaps/val2017 is there but no .*/val2017/\*\.jpg"):
            open_val(folder.root)

    def test_photos_without_label_map(self, folder: CocoFolder) -> None:
        for name in folder.ids[1:]:
            folder.mask(name).unlink()
        with pytest.raises(DataError, match=r"lacks 5 files of 6 images") as caught:
            open_val(folder.root)
        assert f"{folder.ids[1]} has no label map {folder.mask(folder.ids[1])}" in str(caught.value)
        assert folder.ids[4] not in str(caught.value)
        assert "and 2 more" in str(caught.value)

    def test_more_than_there_are(self, folder: CocoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(coco_stuff.FULL_SIZES, "val", 5)
        with pytest.raises(DataError, match=r"has 6 images of coco-stuff: the official val2017 has 5"):
            open_val(folder.root)


class TestFiles:
    @pytest.mark.parametrize("value", [*NEVER, 182, 254])
    def test_ids_that_never_occur(self, folder: CocoFolder, value: int) -> None:
        raw = folder.raw[folder.ids[0]].copy()
        raw[3, :7] = value
        Image.fromarray(raw).save(folder.mask(folder.ids[0]))
        with pytest.raises(
            DataError,
            match=rf"{folder.ids[0]}\.png holds the label value {value} in 7 pixels: expected a raw",
        ):
            open_val(folder.root).sample(0)

    def test_detectron_ids_are_noticed(self, folder: CocoFolder) -> None:
        """detectron2's maps hold the raw id + 1: "street sign" and 182 turn up."""
        raw = folder.raw[folder.ids[0]]
        Image.fromarray(np.where(raw == 255, 255, raw + 1).astype(np.uint8)).save(folder.mask(folder.ids[0]))
        with pytest.raises(DataError, match="expected a raw COCO-Stuff id"):
            open_val(folder.root).labels(0)

    def test_sizes_that_differ(self, folder: CocoFolder) -> None:
        Image.fromarray(np.zeros((40, 57, 3), np.uint8)).save(folder.image(folder.ids[0]))
        with pytest.raises(DataError, match=rf"{folder.ids[0]}\.jpg is 57 x 40 but .*\.png is 56 x 40"):
            open_val(folder.root).sample(0)

    def test_truncated_files(self, folder: CocoFolder) -> None:
        for path in (folder.image(folder.ids[0]), folder.mask(folder.ids[1])):
            path.write_bytes(path.read_bytes()[:-40])
        dataset = open_val(folder.root)
        with pytest.raises(DataError, match=rf"{folder.ids[0]}\.jpg is not a whole image"):
            dataset.sample(0)
        with pytest.raises(DataError, match=rf"{folder.ids[1]}\.png is not a whole image"):
            dataset.sample(1)

    def test_colour_mask(self, folder: CocoFolder) -> None:
        path = folder.mask(folder.ids[0])
        Image.open(path).convert("RGB").save(path)
        with pytest.raises(DataError, match="is a colour mask"):
            open_val(folder.root).sample(0)
