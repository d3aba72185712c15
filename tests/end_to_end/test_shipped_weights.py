"""The weights that ship: what their files say of themselves, and that they give the recorded figures again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import here

from benchbed.clip_weights import shapes_clip_path
from benchbed.metrics.iou import Accuracy, accuracy
from benchbed.packaged_weights import CLIP_SHA
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.registry import choose, resolve
from benchbed.shipped_file import file_sha256, read_header
from benchbed.weights import packaged_path

RECORDED = Path(__file__).parents[2] / "results" / "recorded"
MOST_BYTES = 20_000_000
ELSEWHERE = 0.3  # points, on another platform than the records' own
TRAINED = ("bridge", "deop", "lseg", "san", "simseg", "spnet", "zegformer")
# What must be the same for the same integers: the code that computes, and how sums are split.
PLATFORM = ("cpu", "threads", "python", "torch_settings")


def shipped(name: str) -> Path:
    return packaged_path(choose(name, embedded=True).variant)


def meaning(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage without what its kind of samples does not use, some of which is younger than some of the files."""
    if stage["samples"] == "objects":
        return stage
    return {key: value for key, value in stage.items() if not key.startswith("object")}


@pytest.mark.parametrize("name", TRAINED)
def test_each_file_tells_how_it_was_made(name: str) -> None:
    header = read_header(shipped(name))
    assert (header["method"], header["seed"]) == (f"{name}/tiny", 0)
    assert header["dataset"]["name"] == "shapes"
    recipe = resolve(choose(name, embedded=True).method.recipe)("tiny", "shapes").as_dict()
    now, then = json.loads(json.dumps(recipe))["stages"], header["recipe"]["stages"]
    assert list(map(meaning, then)) == list(map(meaning, now)), "benchbed train would make other weights"
    assert header["command"].startswith(f"benchbed train --method {name}/tiny --dataset shapes")
    assert header[CLIP_SHA] == file_sha256(shapes_clip_path())


def test_all_of_them_together_are_small() -> None:
    files = {shapes_clip_path(), *map(shipped, TRAINED), shipped("maskclip")}
    assert len(files) == len(TRAINED) + 1
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_a_run_gives_the_recorded_figures_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """200 scenes, all methods: the same integers on the records' platform, within 0.3 points elsewhere."""
    if not RECORDED.is_dir():
        pytest.skip(f"{RECORDED} is not there: this is not a checkout of the repository")
    before = shapes_records(RECORDED)
    assert set(before) == {f"{name}/tiny" for name in (*TRAINED, "maskclip")}
    answer = here(capsys, "run", "--out", tmp_path, "--keep", 0)
    assert answer.code == 0, answer.err
    now = shapes_records(tmp_path)
    assert set(now) >= set(before)
    for label, record in before.items():
        if platform(record) == platform(now[label]):
            assert record.counts == now[label].counts, label
        for ours, theirs in zip(figures(record), figures(now[label]), strict=True):
            assert abs(ours - theirs) <= ELSEWHERE, label


def shapes_records(store: Path) -> dict[str, Record]:
    """By label, of the whole val split under `paper` with the weights that ship."""
    records, skipped = RecordStore(store).read_all()
    assert skipped == []
    return {
        each.label: each
        for each in records
        if each.counts is not None
        and each.counts.num_images == 200
        and each.method["weights"]["kind"] == "packaged"
        and each.protocol["name"] == "paper"
    }


def platform(record: Record) -> dict[str, object]:
    return {name: record.environment[name] for name in PLATFORM} | dict(record.environment["versions"])


def figures(record: Record) -> tuple[float, float, float]:
    """Seen mIoU, unseen mIoU and hIoU, %."""
    assert record.counts is not None
    found: Accuracy = accuracy(record.counts, record.dataset["seen"], record.protocol["absent_rule"])
    return 100 * found.seen_miou, 100 * found.unseen_miou, 100 * found.hiou
