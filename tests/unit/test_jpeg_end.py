"""Photos and masks cut off in the middle, which decoders fill up with grey: refused, whatever PIL is told to tolerate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageFilter

from benchbed.datasets.image_file import read_photo
from benchbed.datasets.label_png import read_label_png
from benchbed.datasets.label_rule import read_wide
from benchbed.errors import DataError
from benchbed.photo import read_any_photo

KINDS = (
    {},
    {"quality": 30},
    {"progressive": True},
    {"subsampling": 0},
    {"optimize": True},
    {"restart_marker_rows": 1},
)


def photo(height: int = 90, width: int = 120, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))


@pytest.mark.parametrize("keywords", KINDS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_cut_off_and_closed(tmp_path: Path, kept: float, mode: str, keywords: dict[str, object]) -> None:
    """A part of a photo and an end marker: PIL mostly sees nothing wrong."""
    path = tmp_path / "photo.jpg"
    photo().convert(mode).save(path, **keywords)
    whole = path.read_bytes()
    assert read_photo(path).shape == read_any_photo(path).shape == (90, 120, 3)
    path.write_bytes(whole[: int(len(whole) * kept)] + b"\xff\xd9")
    for read in (read_photo, read_any_photo):
        with pytest.raises(DataError, match=r"photo\.jpg is not a whole image"):
            read(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (61, 35)])
@pytest.mark.parametrize("keywords", KINDS, ids=str)
def test_a_whole_photo_in_the_grey_of_a_missing_part(
    tmp_path: Path, size: tuple[int, int], mode: str, keywords: dict[str, object]
) -> None:
    path = tmp_path / "grey.jpg"
    Image.new("RGB", size, (128, 128, 128)).convert(mode).save(path, **keywords)
    assert read_photo(path).shape == (size[1], size[0], 3)


def test_every_real_photo_is_whole_and_its_cut_copy_is_not(shared_voc: Path, tmp_path: Path) -> None:
    paths = sorted((shared_voc / "VOCdevkit/VOC2012/JPEGImages").glob("*.jpg"))[::40]
    assert len(paths) > 10
    for path in paths:
        read_photo(path)
        content = path.read_bytes()
        (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")
        with pytest.raises(DataError, match="end before its last pixel"):
            read_photo(tmp_path / "cut.jpg")


def test_what_others_told_pil_to_tolerate_is_not_tolerated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    random = np.random.default_rng(0)
    photo().save(tmp_path / "photo.png")
    Image.fromarray(random.integers(0, 9, (40, 50), np.uint8)).save(tmp_path / "mask.png")
    Image.fromarray(random.integers(0, 999, (40, 50), np.uint16)).save(
        tmp_path / "mask.tif", compression="tiff_adobe_deflate"
    )
    read = {"photo.png": read_photo, "mask.png": read_label_png, "mask.tif": read_wide}
    for name, reader in read.items():
        path = tmp_path / name
        reader(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        with pytest.raises(DataError, match=rf"{name} is not a whole image"):
            reader(path)
