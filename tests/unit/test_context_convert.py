"""PASCAL Context's MATLAB files to label files: both forms, against a plain look-up; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from benchbed.datasets import pascal_context_59, pascal_context_459
from benchbed.datasets.pascal_context_classes import IDS_59, NAMES_459
from benchbed.datasets.pascal_context_convert import convert_59, convert_459, label_map
from benchbed.errors import DataError

IDS = ("2008_000002", "2008_000003", "2010_006086")


def write_release(folder: Path, ids: tuple[str, ...] = IDS, seed: int = 0) -> dict[str, np.ndarray]:
    """VOC 2010 with photos and its list, and the MATLAB files beside them, as the two archives unpack."""
    random = np.random.default_rng(seed)
    root = folder / "VOCdevkit/VOC2010"
    for part in ("JPEGImages", "ImageSets/Main", "trainval"):
        (root / part).mkdir(parents=True)
    stored = {}
    for name in ids:
        shape = tuple(random.integers(30, 50, 2))
        stored[name] = random.integers(1, 460, shape).astype(np.uint16)
        savemat(root / "trainval" / f"{name}.mat", {"LabelMap": stored[name]}, do_compression=True)
        Image.fromarray(random.integers(0, 256, (*shape, 3), np.uint8)).save(
            root / "JPEGImages" / f"{name}.jpg"
        )
    (root / "ImageSets/Main/val.txt").write_text("".join(f"{name}\n" for name in ids))
    (root / "labels.txt").write_text("".join(f"{n}: {name}\n" for n, name in enumerate(NAMES_459, 1)))
    return stored


@pytest.mark.parametrize("seed", range(2))
def test_both_forms(tmp_path: Path, seed: int) -> None:
    stored = write_release(tmp_path, seed=seed)
    convert_59(tmp_path, "val")
    convert_459(tmp_path, "val")
    few, all_ = pascal_context_59.open_val(tmp_path), pascal_context_459.open_val(tmp_path)
    assert few.ids == all_.ids == IDS
    place = {number: label for label, number in enumerate(IDS_59)}
    for index, name in enumerate(IDS):
        assert np.array_equal(all_.sample(index).labels, stored[name] - 1)
        expected = [[place.get(number, 255) for number in row] for row in stored[name].tolist()]
        assert few.sample(index).labels.tolist() == expected


def test_pixels_without_a_class_are_ignored(tmp_path: Path) -> None:
    stored = write_release(tmp_path)
    path = tmp_path / "VOCdevkit/VOC2010/trainval" / f"{IDS[0]}.mat"
    blank = np.zeros_like(stored[IDS[0]])
    savemat(path, {"LabelMap": blank})
    convert_59(tmp_path, "val")
    convert_459(tmp_path, "val")
    assert (pascal_context_59.open_val(tmp_path).labels(0) == 255).all()
    assert (pascal_context_459.open_val(tmp_path).labels(0) == 65535).all()


def test_what_is_written_is_left_alone_and_the_rest_done(tmp_path: Path) -> None:
    write_release(tmp_path)
    convert_459(tmp_path, "val")
    masks = tmp_path / "VOCdevkit/VOC2010/annotations_detectron2/pc459_val"
    times = {path: path.stat().st_mtime_ns for path in masks.iterdir()}
    (masks / f"{IDS[1]}.tif").unlink()
    (masks / f".{IDS[1]}.tif.part").write_bytes(b"torn by a kill")
    convert_459(tmp_path, "val")
    assert {path.name for path in masks.iterdir() if not path.name.startswith(".")} == {
        f"{n}.tif" for n in IDS
    }
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if IDS[1] not in path.name)


def test_a_part_of_the_list_works(tmp_path: Path) -> None:
    write_release(tmp_path)
    (tmp_path / "VOCdevkit/VOC2010/trainval" / f"{IDS[1]}.mat").unlink()
    convert_59(tmp_path, "val")
    assert pascal_context_59.open_val(tmp_path).ids == (IDS[0], IDS[2])


def test_another_releases_class_list_is_refused(tmp_path: Path) -> None:
    write_release(tmp_path)
    path = tmp_path / "VOCdevkit/VOC2010/labels.txt"
    path.write_text(path.read_text().replace("2: aeroplane", "2: airship"))
    with pytest.raises(DataError, match="calls class 2 'airship', 'aeroplane' is expected"):
        convert_59(tmp_path, "val")


def test_nothing_to_convert(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Main/val\.txt cannot be read"):
        convert_59(tmp_path, "val")
    write_release(tmp_path)
    for path in (tmp_path / "VOCdevkit/VOC2010/trainval").iterdir():
        path.unlink()
    with pytest.raises(
        DataError, match=r"has none of the 3 files of val, such as 2008_000002\.mat: unpack trainval"
    ):
        convert_459(tmp_path, "val")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"Other": np.ones((3, 3))}, "has no LabelMap"),
        ({"LabelMap": np.ones((3, 3))}, "has no LabelMap of whole numbers"),
        ({"LabelMap": np.full((3, 3), 460, np.uint16)}, "ids from 460 to 460: 0 to 459 are expected"),
    ],
)
def test_other_matlab_files(tmp_path: Path, content: dict[str, np.ndarray], message: str) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(DataError, match=message):
        label_map(tmp_path / "a.mat")


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\x00\x01IM" * 200])
def test_damaged_matlab_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mat (is not a whole MATLAB file|has no LabelMap)"):
        label_map(tmp_path / "a.mat")
