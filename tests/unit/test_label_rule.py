"""From stored values to labels, at 8 and 16 bits; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.datasets.label_rule import LabelRule, counted_from, read_wide
from benchbed.errors import DataError

WIDE = counted_from(0, 847, ignored=(65535,), ignore=65535)
NARROW = counted_from(1, 150, ignored=(0,))


def saved(path: Path, values: np.ndarray, **options: str) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize("seed", range(3))
def test_narrow_rule_is_a_subtraction(tmp_path: Path, seed: int) -> None:
    raw = np.random.default_rng(seed).integers(0, 151, (30, 40)).astype(np.uint8)
    labels = NARROW.read(saved(tmp_path / "a.png", raw))
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, np.where(raw == 0, 255, raw.astype(int) - 1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("ending", "options"), [(".tif", {}), (".tif", {"compression": "tiff_adobe_deflate"}), (".png", {})]
)
def test_wide_rule_keeps_all_16_bits(tmp_path: Path, seed: int, ending: str, options: dict[str, str]) -> None:
    random = np.random.default_rng(seed)
    raw = random.choice(np.array([*range(847), 65535], np.uint16), (30, 40))
    labels = WIDE.read(saved(tmp_path / f"a{ending}", raw, **options))
    assert labels.dtype == np.uint16
    assert np.array_equal(labels, raw)


def test_wide_rule_takes_8_bit_files_too(tmp_path: Path) -> None:
    raw = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert np.array_equal(WIDE.read(saved(tmp_path / "a.png", raw)), raw)


def test_big_endian_and_32_bit_files_are_the_same_numbers(tmp_path: Path) -> None:
    raw = np.array([[0, 300], [846, 65535]], np.uint16)
    Image.frombytes("I;16B", (2, 2), raw.astype(">u2").tobytes()).save(tmp_path / "b.tif")
    assert np.array_equal(read_wide(tmp_path / "b.tif"), raw)
    assert np.array_equal(read_wide(saved(tmp_path / "c.tif", raw.astype(np.int32))), raw)


def test_values_between_classes_and_ignore_are_named(tmp_path: Path) -> None:
    raw = np.zeros((4, 5), np.uint16)
    raw[0, :3] = 847
    raw[1, 0] = 65534
    with pytest.raises(
        DataError,
        match=r"a\.tif holds the label value 847 in 3 pixels \(and 1 other such values\): expected 0 to 846",
    ):
        WIDE.read(saved(tmp_path / "a.tif", raw))
    with pytest.raises(DataError, match=r"value 151 in 20 pixels: expected 1 to 150"):
        NARROW.read(saved(tmp_path / "a.png", np.full((4, 5), 151, np.uint8)))


@pytest.mark.parametrize(
    ("name", "picture", "message"),
    [
        ("a.png", np.zeros((4, 5, 3), np.uint8), "picture of mode RGB"),
        ("a.tif", np.zeros((4, 5), np.float32), "picture of mode F"),
        ("a.png", np.zeros((4, 5), bool), "picture of mode 1"),
        ("a.bmp", np.zeros((4, 5), np.uint8), "is a BMP file"),
        ("a.tif", np.full((4, 5), -7, np.int32), "values from -7 to -7"),
    ],
)
def test_other_pictures_are_refused(tmp_path: Path, name: str, picture: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_wide(saved(tmp_path / name, picture))


@pytest.mark.parametrize("content", [b"", b"II*\0 and nothing more", b"text"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif"):
        read_wide(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"missing\.tif cannot be read"):
        read_wide(tmp_path / "missing.tif")


def test_any_mapping(tmp_path: Path) -> None:
    rule = LabelRule({7: 0, 11: 1, 26: 2, 0: 255}, "cityscapes ids")
    raw = np.array([[7, 11], [26, 0]], np.uint8)
    assert rule.read(saved(tmp_path / "a.png", raw)).tolist() == [[0, 1], [2, 255]]
