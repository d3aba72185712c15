"""PASCAL VOC that is missing, half there or malformed: each case has its one error that names the file."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile
from voc_devkit import COLOURS, Devkit, write_devkit, write_mask, write_photo

from benchbed.datasets.label_png import read_label_png
from benchbed.datasets.voc import open_voc
from benchbed.errors import EXIT_MISSING, DataError, MissingError


@pytest.fixture
def kit(tmp_path: Path) -> Devkit:
    return write_devkit(tmp_path / "data")


def grey_png_of_four_bits(values: NDArray[np.uint8]) -> bytes:
    """A PNG of values 0..15, [H, W] with W even, by hand: PIL cannot write one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    packed = (values[:, ::2] << 4) | values[:, 1::2]
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 4, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class TestRoot:
    @pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
    def test_any_level_will_do(self, kit: Devkit, below: str) -> None:
        assert open_voc(kit.root / below).root == kit.folder

    def test_environment_is_the_default(self, kit: Devkit, monkeypatch: pytest.MonkeyPatch) -> None:
        kit.root.rename(kit.root.parent / "voc")
        monkeypatch.setenv("BENCHBED_DATA", str(kit.root.parent))
        assert open_voc(None).ids == kit.ids
        assert open_voc(kit.root.parent).ids == kit.ids  # what works as BENCHBED_DATA works as --data-root

    def test_nothing_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("BENCHBED_DATA", raising=False)
        with pytest.raises(
            MissingError, match=r"--data-root.*VOCtrainval_11-May-2012\.tar.*host\.robots"
        ) as caught:
            open_voc(None)
        assert caught.value.exit_code == EXIT_MISSING

    def test_environment_without_voc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
        with pytest.raises(MissingError, match=r"BENCHBED_DATA=.* holds nothing.*--data-root"):
            open_voc(None)

    def test_root_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"--data-root .*nowhere does not exist.*tar xf"):
            open_voc(tmp_path / "nowhere")

    def test_root_that_is_the_archive(self, tmp_path: Path) -> None:
        (tmp_path / "VOCtrainval_11-May-2012.tar").write_bytes(b"x")
        with pytest.raises(DataError, match=r"2012\.tar is a file.*tar xf"):
            open_voc(tmp_path / "VOCtrainval_11-May-2012.tar")

    def test_root_with_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "coco").mkdir()
        with pytest.raises(DataError, match=r"holds coco, but no VOCdevkit/VOC2012"):
            open_voc(tmp_path)

    def test_another_year(self, kit: Devkit) -> None:
        kit.folder.rename(kit.folder.with_name("VOC2007"))
        with pytest.raises(DataError, match=r"PASCAL VOC 2007: VOC 2012 is expected"):
            open_voc(kit.folder.with_name("VOC2007"))

    @pytest.mark.parametrize("part", ["JPEGImages", "SegmentationClass", "ImageSets"])
    def test_half_a_root(self, kit: Devkit, part: str) -> None:
        shutil.rmtree(kit.folder / part)
        with pytest.raises(DataError, match=rf"VOC2012 has no {part}.*expected the folders"):
            open_voc(kit.root)


class TestList:
    def test_missing(self, kit: Devkit) -> None:
        kit.list_file.unlink()
        with pytest.raises(DataError, match=r"val\.txt cannot be read"):
            open_voc(kit.root)

    @pytest.mark.parametrize("content", ["", "\n \r\n"])
    def test_empty(self, kit: Devkit, content: str) -> None:
        kit.list_file.write_text(content)
        with pytest.raises(DataError, match=r"val\.txt is empty"):
            open_voc(kit.root)

    def test_not_text(self, kit: Devkit) -> None:
        kit.list_file.write_bytes(b"\x80\xff\x00")
        with pytest.raises(DataError, match=r"val\.txt cannot be read"):
            open_voc(kit.root)

    def test_duplicates(self, kit: Devkit) -> None:
        kit.list_file.write_text("\n".join([*kit.ids, kit.ids[1]]))
        with pytest.raises(DataError, match=rf"names 1 images more than once \({kit.ids[1]}\)"):
            open_voc(kit.root)

    @pytest.mark.parametrize(
        "line", ["2007_000033 -1", "/JPEGImages/2007_000033.jpg", "2007_000033.jpg", "..\\x"]
    )
    def test_lines_that_are_no_ids(self, kit: Devkit, line: str) -> None:
        kit.list_file.write_text(f"{kit.ids[0]}\n{line}\n")
        with pytest.raises(DataError, match=r"val\.txt has the line .*expected a bare image id"):
            open_voc(kit.root)

    def test_longer_than_the_official_one(self, kit: Devkit) -> None:
        kit.list_file.write_text("\n".join(f"2007_{number:06d}" for number in range(1450)))
        with pytest.raises(DataError, match=r"names 1,450 images: the official val has 1,449"):
            open_voc(kit.root)

    def test_image_without_mask(self, kit: Devkit) -> None:
        kit.mask(kit.ids[1]).unlink()
        with pytest.raises(
            DataError, match=rf"4 images, of which 1 lack.*{kit.ids[1]}\.jpg but no .*{kit.ids[1]}\.png"
        ):
            open_voc(kit.root)

    def test_mask_without_image(self, kit: Devkit) -> None:
        kit.image(kit.ids[1]).unlink()
        with pytest.raises(DataError, match=rf"{kit.ids[1]}\.png but no .*{kit.ids[1]}\.jpg"):
            open_voc(kit.root)

    def test_first_three_and_the_count(self, tmp_path: Path) -> None:
        kit = write_devkit(tmp_path, count=6)
        for name in kit.ids[1:]:
            kit.image(name).unlink()
        kit.mask(kit.ids[1]).unlink()
        with pytest.raises(DataError, match=r"of which 5 lack") as caught:
            open_voc(tmp_path)
        message = str(caught.value)
        assert f"{kit.ids[1]} has neither" in message
        assert kit.ids[3] in message
        assert kit.ids[4] not in message
        assert "and 2 more" in message


class TestFiles:
    def test_sizes_that_differ(self, kit: Devkit) -> None:
        write_photo(kit.image(kit.ids[0]), np.zeros((60, 81), np.uint8))
        with pytest.raises(
            DataError, match=rf"{kit.ids[0]}\.jpg is 81 x 60 but .*{kit.ids[0]}\.png is 80 x 60"
        ):
            open_voc(kit.root).sample(0)

    @pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
    @pytest.mark.parametrize("tolerant", [False, True], ids=["strict PIL", "tolerant PIL"])
    def test_truncated_jpeg(
        self, kit: Devkit, kept: float, tolerant: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
        path = kit.image(kit.ids[0])
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept)])
        with pytest.raises(DataError, match=rf"{kit.ids[0]}\.jpg is not a whole image"):
            open_voc(kit.root).sample(0)

    def test_jpeg_whose_tail_was_never_written(self, kit: Devkit) -> None:
        path = kit.image(kit.ids[0])
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
        Image.open(path).load()  # PIL itself sees nothing wrong
        with pytest.raises(DataError, match=r"end marker FFD9 is missing"):
            open_voc(kit.root).sample(0)

    @pytest.mark.parametrize("content", [b"<html>404</html>", b"\xff\xd8\xff\xe0" + bytes(200)])
    def test_no_image_at_all(self, kit: Devkit, content: bytes) -> None:
        kit.image(kit.ids[0]).write_bytes(content)
        with pytest.raises(DataError, match=rf"{kit.ids[0]}\.jpg is not a whole image"):
            open_voc(kit.root).sample(0)

    def test_empty_files(self, kit: Devkit) -> None:
        kit.image(kit.ids[0]).write_bytes(b"")
        kit.mask(kit.ids[1]).write_bytes(b"")
        dataset = open_voc(kit.root)
        with pytest.raises(DataError, match=rf"{kit.ids[0]}\.jpg is empty"):
            dataset.sample(0)
        with pytest.raises(DataError, match=rf"{kit.ids[1]}\.png is empty"):
            dataset.sample(1)

    def test_file_that_vanished_after_opening(self, kit: Devkit) -> None:
        dataset = open_voc(kit.root)
        kit.image(kit.ids[0]).unlink()
        with pytest.raises(DataError, match=rf"{kit.ids[0]}\.jpg cannot be read"):
            dataset.sample(0)

    def test_every_truncation_of_a_mask(self, kit: Devkit) -> None:
        path = kit.mask(kit.ids[0])
        content = path.read_bytes()
        whole = read_label_png(path).indices
        # The last four bytes are the checksum of the empty end chunk: nothing is lost with them.
        for length in range(1, len(content) - 4):
            path.write_bytes(content[:length])
            with pytest.raises(DataError, match=r"is not a whole image"):
                read_label_png(path)
        path.write_bytes(content)
        assert np.array_equal(read_label_png(path).indices, whole)

    def test_flipped_byte_in_a_mask_never_changes_labels(self, kit: Devkit) -> None:
        path = kit.mask(kit.ids[0])
        content = path.read_bytes()
        whole, refused = read_label_png(path).indices, 0
        for place in range(len(content)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
            try:
                assert np.array_equal(read_label_png(path).indices, whole)
            except DataError:
                refused += 1
        assert refused > 0.9 * len(content)


class TestMaskKinds:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_colour_mask(self, kit: Devkit, mode: str) -> None:
        path = kit.mask(kit.ids[0])
        Image.open(path).convert(mode).save(path)
        with pytest.raises(
            DataError, match=rf"is a colour mask \(PNG mode {mode}\): label indices are expected"
        ):
            open_voc(kit.root).sample(0)

    def test_jpeg_named_png(self, kit: Devkit) -> None:
        Image.fromarray(kit.raw[kit.ids[0]]).save(kit.mask(kit.ids[0]), "JPEG")
        with pytest.raises(DataError, match=r"is a JPEG file"):
            open_voc(kit.root).sample(0)

    def test_sixteen_bits(self, kit: Devkit) -> None:
        Image.fromarray(kit.raw[kit.ids[0]].astype(np.uint16)).save(kit.mask(kit.ids[0]))
        with pytest.raises(DataError, match=r"with 16 bits a pixel"):
            open_voc(kit.root).sample(0)

    def test_one_bit(self, kit: Devkit) -> None:
        Image.fromarray(kit.raw[kit.ids[0]] == 3).save(kit.mask(kit.ids[0]))
        with pytest.raises(DataError, match=r"mode 1 with 1 bits a pixel"):
            open_voc(kit.root).sample(0)

    def test_grey_of_four_bits(self, kit: Devkit) -> None:
        """Decoders stretch 0..15 to 0..255: the stored 1 would come out as 17, a valid label."""
        path = kit.mask(kit.ids[0])
        path.write_bytes(grey_png_of_four_bits(np.ones((60, 80), np.uint8)))
        assert np.unique(np.asarray(Image.open(path))).tolist() == [17]
        with pytest.raises(DataError, match=r"mode L with 4 bits a pixel"):
            open_voc(kit.root).sample(0)

    @pytest.mark.parametrize(("value", "count"), [(21, 1), (37, 12), (254, 5)])
    def test_value_out_of_range(self, kit: Devkit, value: int, count: int) -> None:
        raw = kit.raw[kit.ids[0]].copy()
        raw.reshape(-1)[:count] = value
        write_mask(kit.mask(kit.ids[0]), raw)
        with pytest.raises(
            DataError, match=rf"{kit.ids[0]}\.png holds the label value {value} in {count} pixels: expected 0"
        ):
            open_voc(kit.root).sample(0)

    def test_several_values_out_of_range(self, kit: Devkit) -> None:
        raw = kit.raw[kit.ids[0]].copy()
        raw[0, :9] = [50, 60, 60, 60, 70, 70, 20, 0, 255]
        write_mask(kit.mask(kit.ids[0]), raw)
        with pytest.raises(DataError, match=r"value 60 in 3 pixels \(and 2 other such values\)"):
            open_voc(kit.root).sample(0)

    def test_palette_that_a_tool_sorted(self, kit: Devkit) -> None:
        """Colours as in VOC at other indices: an optimiser dropped the unused ones."""
        path = kit.mask(kit.ids[0])
        shown = Image.open(path).convert("RGB")
        image = Image.fromarray(
            np.searchsorted(np.unique(kit.raw[kit.ids[0]]), kit.raw[kit.ids[0]]).astype(np.uint8)
        )
        colours = np.array(Image.open(path).getpalette(), np.uint8).reshape(256, 3)[
            np.unique(kit.raw[kit.ids[0]])
        ]
        image.putpalette(colours.reshape(-1).tolist())
        image.save(path)
        assert np.array_equal(np.asarray(Image.open(path).convert("RGB")), np.asarray(shown))
        with pytest.raises(DataError, match=r"a tool re-ordered its palette"):
            open_voc(kit.root).sample(0)

    @pytest.mark.parametrize(
        "palette",
        [
            [value for value in range(256) for _ in range(3)],
            [value for colour in COLOURS for value in colour] + [0, 0, 0] * 235,
            [128, 0, 0] * 100 + [1, 2, 3] * 156,
            [(7 * value) % 256 for value in range(768)],
        ],
        ids=["grey", "padded with black", "one colour of VOC", "any other"],
    )
    def test_other_palettes_are_taken_by_index(self, kit: Devkit, palette: list[int]) -> None:
        before = open_voc(kit.root).sample(0).labels
        image = Image.fromarray(kit.raw[kit.ids[0]])
        image.putpalette(palette)
        image.save(kit.mask(kit.ids[0]))
        assert Image.open(kit.mask(kit.ids[0])).mode == "P"
        assert np.array_equal(open_voc(kit.root).sample(0).labels, before)
