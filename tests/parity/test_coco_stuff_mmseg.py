"""The bench's COCO-Stuff reader against mmsegmentation's classes and loaders: same list, same labels, same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_folder import LAYOUTS, NEVER, write_coco
from PIL import Image

from benchbed.datasets.coco_stuff import DATASET, open_train, open_val

pytest.importorskip("mmseg")
from mmseg.datasets import COCOStuffDataset
from mmseg.registry import DATASETS

import benchbed.datasets.coco_stuff_mmseg  # noqa: F401  (registers BenchbedCOCOStuff171)

LOADERS = [{"type": "LoadImageFromFile"}, {"type": "mmseg.LoadAnnotations"}]


def built(root: Path, **keywords: Any) -> Any:
    return DATASETS.build(
        {"type": "BenchbedCOCOStuff171", "data_root": str(root), "test_mode": True, **keywords}
    )


def check_same(root: Path, split: str) -> int:
    """Every image and label map equal to the last bit; returns how many were compared."""
    ours = (open_val if split == "val" else open_train)(root)
    theirs = built(root, split=split, pipeline=LOADERS)
    assert [Path(entry["img_path"]).stem for entry in theirs] == list(ours.ids)
    for index in range(len(ours)):
        sample, loaded = ours.sample(index), theirs[index]
        assert np.array_equal(sample.labels, loaded["gt_seg_map"]), sample.id
        assert np.array_equal(sample.image, loaded["img"][:, :, ::-1]), sample.id
    return len(ours)


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout[1] for layout in LAYOUTS])
def test_same_on_synthetic_files(tmp_path: Path, layout: tuple[str, str]) -> None:
    write_coco(tmp_path, layout=layout)
    assert check_same(tmp_path, "val") == 4


@pytest.mark.parametrize(("split", "count"), [("val", 8), ("train", 13)])
def test_same_on_real_files(shared: Path, split: str, count: int) -> None:
    folder = shared / "data/coco-stuff"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine")
    assert check_same(folder, split) == count


def test_classes_and_colours_are_mmsegmentations_own(tmp_path: Path) -> None:
    write_coco(tmp_path)
    dataset = built(tmp_path)
    assert isinstance(dataset, COCOStuffDataset)
    assert tuple(dataset.metainfo["classes"]) == COCOStuffDataset.METAINFO["classes"] == DATASET.names
    assert dataset.metainfo["palette"] == COCOStuffDataset.METAINFO["palette"]
    assert dataset.metainfo["reduce_zero_label"] is False
    assert dataset.ignore_index == 255


def test_ids_that_never_occur_are_ignored_there(tmp_path: Path) -> None:
    folder = write_coco(tmp_path, count=1)
    raw = folder.raw[folder.ids[0]].copy()
    raw[0, : len(NEVER)] = NEVER
    Image.fromarray(raw).save(folder.mask(folder.ids[0]))
    loaded = built(tmp_path, pipeline=LOADERS)[0]["gt_seg_map"]
    assert (loaded[0, : len(NEVER)] == 255).all()
    assert set(np.unique(loaded).tolist()) <= {*range(171), 255}
