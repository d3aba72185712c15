"""ADE20K's full release to 847 classes: the encoding, the shrinking, going on; against plain arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.datasets import ade20k_847
from benchbed.datasets.ade20k_847_classes import RELEASE_IDS
from benchbed.datasets.ade20k_847_convert import class_map, convert, shrunk
from benchbed.errors import DataError

VAL = "ADE20K_2021_17_01/images/ADE/validation"


def write_scene(folder: Path, name: str, ids: np.ndarray, place: str = f"{VAL}/urban/street") -> Path:
    """A photo and its `_seg.png`: class c is red = c // 256 * 10 (+ noise below 10), green = c % 256, blue an instance."""
    random = np.random.default_rng(len(name))
    target = folder / place
    target.mkdir(parents=True, exist_ok=True)
    photo = random.integers(0, 256, (*ids.shape, 3), np.uint8)
    Image.fromarray(photo).save(target / f"{name}.jpg", quality=95)
    seg = np.stack([ids // 256 * 10, ids % 256, random.integers(0, 256, ids.shape)], axis=-1)
    Image.fromarray(seg.astype(np.uint8)).save(target / f"{name}_seg.png")
    Image.fromarray(seg.astype(np.uint8)).save(target / f"{name}_parts_1.png")
    return target / f"{name}.jpg"


@pytest.mark.parametrize("seed", range(3))
def test_ids_become_labels(tmp_path: Path, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 3500, (40, 50))
    photo = write_scene(tmp_path, "ADE_val_00000001", ids)
    label_of = {number: label for label, number in enumerate(RELEASE_IDS)}
    expected = [[label_of.get(number, 65535) for number in row] for row in ids.tolist()]
    assert class_map(photo.with_name("ADE_val_00000001_seg.png")).tolist() == expected


def test_a_release_is_converted_and_opens(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).choice(np.array(RELEASE_IDS), (40, 50))
    write_scene(tmp_path, "ADE_val_00000001", ids)
    write_scene(tmp_path, "ADE_val_00000002", ids[:30], f"{VAL}/indoor/a/b")
    write_scene(tmp_path, "ADE_train_00000001", ids, "ADE20K_2021_17_01/images/ADE/training/x")
    convert(tmp_path, "val")
    dataset = ade20k_847.open_val(tmp_path)
    assert dataset.ids == ("ADE_val_00000001", "ADE_val_00000002")
    assert np.array_equal(np.array(RELEASE_IDS)[dataset.sample(0).labels], ids)
    mask = dataset.folder.mask(dataset.ids[0])
    before = mask.stat().st_mtime_ns
    dataset.folder.mask(dataset.ids[1]).unlink()
    convert(tmp_path, "val")
    assert mask.stat().st_mtime_ns == before
    assert ade20k_847.open_val(tmp_path).identity == dataset.identity


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 900), (512, 900)), ((600, 900), (512, 768)), ((900, 601), (767, 512)), ((513, 513), (512, 512))],
)
def test_the_shorter_side_is_512_at_most(size: tuple[int, int], expected: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image, labels = (
        random.integers(0, 256, (*size, 3), np.uint8),
        random.integers(0, 847, size).astype(np.uint16),
    )
    small, small_labels = shrunk(image, labels)
    assert small.shape == (*expected, 3)
    assert small_labels.shape == expected
    assert (small_labels.dtype, small.dtype) == (np.uint16, np.uint8)
    rows = np.arange(expected[0]) * size[0] // expected[0]
    columns = np.arange(expected[1]) * size[1] // expected[1]
    nearest = labels[np.ix_(rows, columns)]  # OpenCV's INTER_NEAREST: floor(destination * scale)
    assert (small_labels == nearest).mean() > 0.99


def test_what_is_missing_or_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images/ADE/validation holds no ADE_val_\*\.jpg; ask for"):
        convert(tmp_path, "val")
    photo = write_scene(tmp_path, "ADE_val_00000001", np.zeros((20, 30), int))
    seg = photo.with_name("ADE_val_00000001_seg.png")
    Image.open(seg).resize((30, 19)).save(seg)
    with pytest.raises(DataError, match="is 30 x 20 but its mask"):
        convert(tmp_path, "val")
    seg.unlink()
    with pytest.raises(DataError, match=r"_seg\.png cannot be read"):
        convert(tmp_path, "val")
