"""The bench's ADE20K-150, PASCAL Context-59 and VOC-21 readers against mmsegmentation's classes and loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_files import write_pairs
from voc_devkit import write_devkit

from benchbed.datasets import ade20k_150, pascal_context_59
from benchbed.datasets.dataset import Dataset
from benchbed.datasets.voc_forms import VOC_21

pytest.importorskip("mmseg")
from mmseg.datasets import ADE20KDataset, PascalContextDataset59, PascalVOCDataset
from mmseg.registry import DATASETS

import benchbed.datasets.cross_mmseg
import benchbed.datasets.voc_mmseg  # noqa: F401  (both register their classes)

LOADERS = [{"type": "LoadImageFromFile"}, {"type": "mmseg.LoadAnnotations"}]
IDS = ("ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003")


def built(kind: str, root: Path) -> Any:
    return DATASETS.build({"type": kind, "data_root": str(root), "pipeline": LOADERS, "test_mode": True})


def check_same(kind: str, ours: Dataset, root: Path) -> None:
    """Every image and label map equal to the last bit."""
    theirs = built(kind, root)
    assert [Path(entry["img_path"]).stem for entry in theirs] == list(ours.ids)
    for index in range(len(ours)):
        sample, loaded = ours.sample(index), theirs[index]
        assert np.array_equal(sample.labels, loaded["gt_seg_map"]), sample.id
        assert np.array_equal(sample.image, loaded["img"][:, :, ::-1]), sample.id


def test_ade20k(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images/validation", tmp_path / "annotations/validation", IDS, range(151))
    check_same("BenchbedADE20K150", ade20k_150.open_val(tmp_path), tmp_path)


def test_ade20k_on_real_files(shared: Path) -> None:
    folder = shared / "data/ade20k"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine")
    check_same("BenchbedADE20K150", ade20k_150.open_val(folder), folder)


def test_context_in_mmsegmentations_layout(tmp_path: Path) -> None:
    write_pairs(tmp_path / "JPEGImages", tmp_path / "SegmentationClassContext", IDS, range(60))
    listed = tmp_path / "ImageSets/SegmentationContext/val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("\n".join(IDS))
    check_same("BenchbedPascalContext59", pascal_context_59.open_val(tmp_path), tmp_path)
    # mmsegmentation's own class, as its configuration has it, without ours in between.
    plain = PascalContextDataset59(
        data_root=str(tmp_path),
        data_prefix={"img_path": "JPEGImages", "seg_map_path": "SegmentationClassContext"},
        ann_file="ImageSets/SegmentationContext/val.txt",
        pipeline=LOADERS,
        test_mode=True,
    )
    ours = pascal_context_59.open_val(tmp_path)
    for index in range(3):
        assert np.array_equal(plain[index]["gt_seg_map"], ours.labels(index))


def test_context_in_sans_layout(tmp_path: Path) -> None:
    write_pairs(tmp_path / "val/image", tmp_path / "val/label", IDS, [*range(59), 255])
    check_same("BenchbedPascalContext59", pascal_context_59.open_val(tmp_path), tmp_path)


def test_voc_21(tmp_path: Path) -> None:
    kit = write_devkit(tmp_path, count=10)
    check_same("BenchbedVOC21", VOC_21.opened(kit.root), kit.root)
    dataset = built("BenchbedVOC21", kit.root)
    assert isinstance(dataset, PascalVOCDataset)
    assert dataset.metainfo["classes"] == PascalVOCDataset.METAINFO["classes"]


def test_classes_are_mmsegmentations_own() -> None:
    names = tuple(name.strip() for name in ADE20KDataset.METAINFO["classes"])
    assert names == ade20k_150.DATASET.names
    assert PascalContextDataset59.METAINFO["classes"] == pascal_context_59.DATASET.names
