"""The bench's VOC reader against mmsegmentation's class and loaders: same list, same labels, same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from voc_devkit import write_devkit

from benchbed.datasets.voc import DATASET, open_voc
from benchbed.datasets.voc_reader import TABLE
from benchbed.errors import DataError

pytest.importorskip("mmseg")
from mmseg.datasets import PascalVOCDataset
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS

import benchbed.datasets.voc_mmseg  # noqa: F401  (registers BenchbedVOC20)


def built(root: Path, **keywords: Any) -> Any:
    return DATASETS.build({"type": "BenchbedVOC20", "data_root": str(root), "test_mode": True, **keywords})


def loaders(backend: str) -> list[dict[str, str]]:
    """The start of mmsegmentation's pipelines; outside mmseg's scope a bare `LoadAnnotations` is mmcv's."""
    return [{"type": "LoadImageFromFile", "imdecode_backend": backend}, {"type": "mmseg.LoadAnnotations"}]


def check_same(root: Path, backend: str) -> int:
    """Every image and label map equal to the last bit; returns how many were compared."""
    ours, theirs = open_voc(root), built(root, pipeline=loaders(backend))
    assert [Path(entry["img_path"]).stem for entry in theirs] == list(ours.ids)
    for index in range(len(ours)):
        sample, loaded = ours.sample(index), theirs[index]
        assert np.array_equal(sample.labels, loaded["gt_seg_map"]), sample.id
        assert np.array_equal(sample.image, loaded["img"][:, :, ::-1]), sample.id
    return len(ours)


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_same_on_a_synthetic_devkit(tmp_path: Path, backend: str) -> None:
    write_devkit(tmp_path, count=10, seed=3)
    assert check_same(tmp_path, backend) == 10


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_same_on_real_photos(shared_voc: Path, backend: str) -> None:
    """All 347; that cv2's and PIL's JPEG decoders agree to the last bit was found, not assumed."""
    assert check_same(shared_voc, backend) == 347


def test_classes_colours_and_rule_are_mmsegmentations_own(tmp_path: Path) -> None:
    write_devkit(tmp_path, count=1)
    dataset = built(tmp_path)
    assert tuple(dataset.metainfo["classes"]) == PascalVOCDataset.METAINFO["classes"][1:] == DATASET.names
    assert dataset.metainfo["palette"] == PascalVOCDataset.METAINFO["palette"][1:]
    assert dataset.metainfo["reduce_zero_label"] is True
    assert dataset.ignore_index == 255


def test_entries_are_those_of_their_own_class(tmp_path: Path) -> None:
    """On a clean list, mmsegmentation's own reading of the devkit gives the same entries."""
    kit = write_devkit(tmp_path)
    theirs = PascalVOCDataset(
        data_root=str(kit.folder),
        ann_file="ImageSets/Segmentation/val.txt",
        data_prefix={"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
        metainfo={"classes": DATASET.names},
        reduce_zero_label=True,
    )
    keys = ("img_path", "seg_map_path", "reduce_zero_label", "sample_idx")
    assert [{k: e[k] for k in keys} for e in built(tmp_path)] == [{k: e[k] for k in keys} for e in theirs]


def test_untidy_list_and_indices(tmp_path: Path) -> None:
    kit = write_devkit(tmp_path)
    kit.list_file.write_bytes("\r\n\r\n".join(f"{name} " for name in kit.ids).encode())
    assert [Path(entry["seg_map_path"]).stem for entry in built(tmp_path)] == list(kit.ids)
    assert [Path(entry["img_path"]).stem for entry in built(tmp_path, indices=2)] == list(kit.ids[:2])


def test_other_split(tmp_path: Path) -> None:
    kit = write_devkit(tmp_path)
    kit.list_file.with_name("train.txt").write_text(f"{kit.ids[3]}\n")
    assert [Path(entry["img_path"]).stem for entry in built(tmp_path, split="train")] == [kit.ids[3]]


def test_files_that_are_missing_are_said_when_the_dataset_is_built(tmp_path: Path) -> None:
    kit = write_devkit(tmp_path)
    kit.mask(kit.ids[2]).unlink()
    with pytest.raises(DataError, match=rf"{kit.ids[2]}\.jpg but no .*{kit.ids[2]}\.png"):
        built(tmp_path)


def test_label_rule_on_every_raw_value(tmp_path: Path) -> None:
    """`reduce_zero_label` and our table agree on every value that ours accepts; theirs takes 21..254 too."""
    raw = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(raw).save(tmp_path / "all.png")
    entry = {
        "seg_map_path": str(tmp_path / "all.png"),
        "reduce_zero_label": True,
        "label_map": None,
        "seg_fields": [],
    }
    theirs = LoadAnnotations().transform(entry)["gt_seg_map"]
    accepted = (raw <= 20) | (raw == 255)
    assert np.array_equal(TABLE[raw][accepted], theirs[accepted])
    assert (TABLE[raw][~accepted] == 254).all()


@pytest.fixture(scope="module")
def real_pixels(shared_voc: Path) -> NDArray[np.int64]:
    """[347, 256] pixels of each label in each image of the 347-image subset of val."""
    dataset = open_voc(shared_voc)
    labels = [dataset.sample(index).labels for index in range(len(dataset))]
    return np.stack([np.bincount(each.reshape(-1), minlength=256) for each in labels])


def test_coverage_of_the_real_subset(shared_voc: Path) -> None:
    assert open_voc(shared_voc).coverage() == "347 of 1,449 images"


def test_real_images_with_an_unseen_class(shared_voc: Path, real_pixels: NDArray[np.int64]) -> None:
    """The list of them was made independently of this reader."""
    names = np.array(open_voc(shared_voc).ids)
    listed = (shared_voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/val_unseen_any.txt").read_text().split()
    with_unseen = real_pixels[:, 15:20].sum(axis=1) > 0
    assert sorted(names[with_unseen]) == sorted(listed)
    assert with_unseen.sum() == 107


def test_real_class_totals_are_plausible(real_pixels: NDArray[np.int64]) -> None:
    """All classes occur, `person` leads, and about three quarters of VOC's pixels are background or void."""
    totals = real_pixels.sum(axis=0)
    assert (totals[:20] > 100_000).all()
    assert totals[:20].argmax() == DATASET.names.index("person")
    assert totals[20:255].sum() == 0
    assert 0.70 < totals[255] / totals.sum() < 0.80
