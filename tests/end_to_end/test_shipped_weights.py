"""The weights that ship: what their files say of themselves, and that they give the recorded figures again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbed.accuracy_pass import measure_counts
from benchbed.clip_weights import shapes_clip_path
from benchbed.cost.cpu_state import usable_cores
from benchbed.cost.environment import capture
from benchbed.metrics.iou import Accuracy, accuracy
from benchbed.packaged_weights import CLIP_SHA
from benchbed.plan import Request, make_plan
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.registry import choose, resolve
from benchbed.shipped_file import file_sha256, read_header
from benchbed.subject import make_subject
from benchbed.weights import packaged_path

RECORDED = Path(__file__).parents[2] / "results" / "recorded"
MOST_BYTES = 20_000_000
ELSEWHERE = 0.3  # points, on another platform than the records' own
TRAINED = ("bridge", "deop", "lseg", "san", "simseg", "spnet", "zegformer")
# What must be the same for the same integers: the code that computes, and how sums are split.
PLATFORM = ("cpu", "threads", "python")
OF_GPUS = "cudnn"


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


@pytest.fixture
def threads_restored() -> Iterator[None]:
    """Leaves the number of torch's threads as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_restored")
def test_counting_gives_the_recorded_figures_again(tmp_path: Path) -> None:
    """200 scenes, all methods: the same integers on the records' platform, within 0.3 points elsewhere."""
    if not RECORDED.is_dir():
        pytest.skip(f"{RECORDED} is not there: this is not a checkout of the repository")
    recorded = shapes_records(RECORDED)
    assert set(recorded) == {f"{name}/tiny" for name in (*TRAINED, "maskclip")}
    (threads,) = {each.environment["threads"] for each in recorded.values()}
    torch.set_num_threads(min(usable_cores(), threads))
    plan = make_plan(Request(device="cpu"))
    assert {item.chosen.label for item in plan.items} >= set(recorded)
    here = platform(asdict(capture(plan.device)))
    for item in plan.items:
        if (record := recorded.get(item.chosen.label)) is None:
            continue
        counted = measure_counts(make_subject(item, plan.device), tmp_path, Reporter(quiet=True))
        if platform(record.environment) == here:
            assert counted.counts == record.counts, record.label
        now = figures(replace(record, counts=counted.counts))
        for ours, theirs in zip(figures(record), now, strict=True):
            assert abs(ours - theirs) <= ELSEWHERE, record.label
        counted.forget()


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


def platform(environment: Mapping[str, Any]) -> dict[str, object]:
    settings, versions = environment["torch_settings"], environment["versions"]
    return {
        **{name: environment[name] for name in PLATFORM},
        **{name: value for name, value in settings.items() if not name.startswith(OF_GPUS)},
        **{name: value for name, value in versions.items() if name != "benchbed"},
    }


def figures(record: Record) -> tuple[float, float, float]:
    """Seen mIoU, unseen mIoU and hIoU, %."""
    assert record.counts is not None
    found: Accuracy = accuracy(record.counts, record.dataset["seen"], record.protocol["absent_rule"])
    return 100 * found.seen_miou, 100 * found.unseen_miou, 100 * found.hiou
