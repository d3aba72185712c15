"""PASCAL VOC: the facts of its split, reading, and what tells one set of files from another."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voc_devkit import COLOURS, VOID_COLOUR, Devkit, write_devkit

from benchbed.datasets.image_file import read_photo
from benchbed.datasets.label_png import label_table
from benchbed.datasets.voc import DATASET, open_voc
from benchbed.datasets.voc_palette import voc_palette

# Written out by hand from shared/reference/methods/SPLITS.md, section 1.
SEEN = [
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person"),
]
UNSEEN = ["pottedplant", "sheep", "sofa", "train", "tvmonitor"]


@pytest.fixture
def kit(tmp_path: Path) -> Devkit:
    return write_devkit(tmp_path / "data")


class TestCard:
    def test_classes_and_split(self) -> None:
        assert list(DATASET.names) == SEEN + UNSEEN
        assert DATASET.seen == (True,) * 15 + (False,) * 5
        assert (DATASET.full_size, DATASET.split, DATASET.ignore) == (1449, "val", 255)
        assert DATASET.matched_sides == (512, 2048)
        assert not DATASET.embedded

    @pytest.mark.parametrize(
        ("author", "plant", "screen"),
        [
            ("zegformer", "potted plant", "tvmonitor"),
            ("zsseg", "pottedplant", "tvmonitor"),
            ("deop", "pottedplant", "tvmonitor"),
            ("zegclip", "pottedplant", "tvmonitor"),
            ("san", "pottedplant", "tv"),
        ],
    )
    def test_spellings(self, author: str, plant: str, screen: str) -> None:
        vocabulary = DATASET.vocabulary((author,))
        assert list(vocabulary.prompts) == [*SEEN, plant, "sheep", "sofa", "train", screen]
        assert list(vocabulary.names) == SEEN + UNSEEN

    def test_unknown_author_gets_the_official_names(self) -> None:
        assert DATASET.vocabulary(("nobody",)).prompts == DATASET.names

    def test_source_names_the_archive(self) -> None:
        assert "host.robots.ox.ac.uk/pascal/VOC/voc2012/" in DATASET.source
        assert "VOCtrainval_11-May-2012.tar" in DATASET.source

    def test_card_loads_neither_torch_nor_pil(self) -> None:
        code = "import sys, benchbed.datasets.voc; print({'torch', 'PIL', 'mmseg'} & set(sys.modules))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "set()"


class TestReading:
    def test_ids_coverage_and_root(self, kit: Devkit) -> None:
        dataset = open_voc(kit.root)
        assert dataset.ids == kit.ids
        assert len(dataset) == 4
        assert dataset.coverage() == "4 of 1,449 images"
        assert dataset.coverage(2) == "2 of 1,449 images"
        assert dataset.root == kit.folder

    @pytest.mark.parametrize("seed", range(3))
    def test_labels_are_raw_minus_one_and_background_is_ignored(self, tmp_path: Path, seed: int) -> None:
        kit = write_devkit(tmp_path, count=10, seed=seed)
        dataset = open_voc(tmp_path)
        met = set()
        for index, name in enumerate(kit.ids):
            sample = dataset.sample(index)
            raw = kit.raw[name].astype(int)
            assert sample.id == name
            assert sample.labels.dtype == np.uint8
            assert np.array_equal(sample.labels, np.where((raw == 0) | (raw == 255), 255, raw - 1))
            met |= set(np.unique(sample.labels).tolist())
        assert met == {*range(20), 255}

    def test_image_is_the_decoded_jpeg(self, kit: Devkit) -> None:
        sample = open_voc(kit.root).sample(1)
        assert sample.image.dtype == np.uint8
        assert sample.image.shape == (*sample.labels.shape, 3)
        assert np.array_equal(sample.image, np.asarray(Image.open(kit.image(kit.ids[1]))))

    def test_grey_photo_becomes_rgb(self, kit: Devkit) -> None:
        path = kit.image(kit.ids[0])
        Image.open(path).convert("L").save(path)
        image = open_voc(kit.root).sample(0).image
        assert image.shape == (60, 80, 3)
        assert (image[..., 0] == image[..., 1]).all()
        assert (image[..., 0] == image[..., 2]).all()

    def test_grey_mask_holds_the_same_labels(self, kit: Devkit) -> None:
        before = open_voc(kit.root).sample(0).labels
        Image.fromarray(kit.raw[kit.ids[0]]).save(kit.mask(kit.ids[0]))
        assert np.array_equal(open_voc(kit.root).sample(0).labels, before)

    def test_palette_png_of_four_bits_holds_the_same_labels(self, kit: Devkit) -> None:
        raw = np.where(kit.raw[kit.ids[0]] > 15, 0, kit.raw[kit.ids[0]])
        image = Image.fromarray(raw)
        image.putpalette([value for index in range(16) for value in (index, 100, 200)])
        image.save(kit.mask(kit.ids[0]), bits=4)
        expected = np.where(raw == 0, 255, raw.astype(int) - 1)
        assert np.array_equal(open_voc(kit.root).sample(0).labels, expected)

    def test_orientation_of_a_photo_is_applied(self, tmp_path: Path) -> None:
        upright = np.zeros((8, 16, 3), np.uint8)
        upright[:, :8] = 255
        exif = Image.Exif()
        exif[0x0112] = 6  # stored turned: to be rotated by 90 degrees clockwise
        Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=100)
        shown = read_photo(tmp_path / "turned.jpg")
        assert shown.shape == upright.shape
        assert np.abs(shown.astype(int) - upright).max() < 16

    def test_list_tolerates_blank_lines_spaces_crlf_and_a_byte_order_mark(self, kit: Devkit) -> None:
        kit.list_file.write_bytes(("\ufeff" + "\r\n".join(f" {name} \r\n" for name in kit.ids)).encode())
        assert open_voc(kit.root).ids == kit.ids

    def test_part_of_the_list_works(self, kit: Devkit) -> None:
        kit.list_file.write_text(f"{kit.ids[2]}\n")
        dataset = open_voc(kit.root)
        assert dataset.coverage() == "1 of 1,449 images"
        assert dataset.sample(0).id == kit.ids[2]

    def test_files_that_the_list_does_not_name_are_no_concern(self, kit: Devkit) -> None:
        kit.image("2009_000001").write_bytes(b"anything")
        assert open_voc(kit.root).ids == kit.ids


class TestIdentity:
    def test_the_same_wherever_it_lies(self, kit: Devkit, tmp_path: Path) -> None:
        shutil.copytree(kit.root, tmp_path / "elsewhere")
        assert open_voc(kit.root).identity == open_voc(tmp_path / "elsewhere").identity

    @pytest.mark.parametrize(
        "change",
        [
            lambda kit: kit.list_file.write_text("\n".join(kit.ids[:3])),
            lambda kit: kit.list_file.write_text("\n".join(reversed(kit.ids))),
            lambda kit: kit.image(kit.ids[0]).write_bytes(kit.image(kit.ids[0]).read_bytes() + b"\0"),
            lambda kit: kit.mask(kit.ids[3]).write_bytes(kit.mask(kit.ids[3]).read_bytes() + b"\0"),
        ],
        ids=["shorter list", "other order", "image", "mask"],
    )
    def test_changes_with_list_and_files(self, kit: Devkit, change: Callable[[Devkit], object]) -> None:
        before = open_voc(kit.root).identity
        change(kit)
        assert open_voc(kit.root).identity != before


def test_palette_is_the_development_kits() -> None:
    palette = voc_palette()
    assert [tuple(colour) for colour in palette[:21].tolist()] == list(COLOURS)
    assert tuple(palette[255].tolist()) == VOID_COLOUR
    assert len(np.unique(palette, axis=0)) == 256


def test_label_table_rejects_what_it_cannot_hold() -> None:
    for mapping in ({256: 0}, {0: 254}, {-1: 3}):
        with pytest.raises(ValueError, match=r"0\.\.255"):
            label_table(mapping)
