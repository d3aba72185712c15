"""Collecting records: each once, from any folders in any order, damaged ones named, contradictions found."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_record import example_record
from report_records import comparison, trained

from benchbed.errors import MissingError, UsageError
from benchbed.metrics import Counts
from benchbed.record_store import RecordStore
from benchbed.records import Record, to_json
from benchbed.report.collect import collect, contradictions
from benchbed.report.content import make_report
from benchbed.report.rows import rows


def store(folder: Path, *records: Record) -> Path:
    """A folder with these records, as `benchbed run --out` makes it."""
    for record in records:
        RecordStore(folder).write(record)
    return folder


def changed(record: Record, image: int) -> Record:
    """The record, measured again by other code: one pixel fewer is right on one image."""
    assert record.counts is not None
    counts = record.counts
    intersection = counts.intersection.copy()
    intersection[image, 3] -= 1
    other = Counts(counts.image_ids, intersection, counts.predicted, counts.labelled)
    return replace(record, counts=other, created="2026-12-01T00:00:00+00:00", id="")


def test_folders_merge_whatever_their_order_and_copies_count_once(tmp_path: Path) -> None:
    records = comparison()
    mine = store(tmp_path / "mine", *records[:5])
    theirs = store(tmp_path / "theirs", *records[3:])
    forth, back = collect([mine, theirs]), collect([theirs, mine])
    assert [record.id for record in forth.records] == [record.id for record in back.records]
    assert {record.id for record in forth.records} == {record.id for record in records}
    assert forth.duplicates == 2
    assert not forth.skipped
    assert not forth.contradictions


def test_a_file_a_store_and_the_folder_above_lead_to_the_same_record_once(tmp_path: Path) -> None:
    folder = store(tmp_path / "store", example_record())
    (file,) = folder.rglob("*.json")
    found = collect([file, folder, tmp_path])
    assert len(found.entries) == 1
    assert found.duplicates == 0  # one file, three ways to it


def test_unfinished_work_kept_predictions_and_cost_records_are_passed_over(tmp_path: Path) -> None:
    folder = store(tmp_path / "a" / "store", example_record())
    for name in ("partial", "predictions", "costs", "sweep"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "x.json").write_text("{}")
    assert not collect([folder]).skipped
    assert not collect([tmp_path]).skipped


def test_torn_foreign_and_edited_files_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = store(tmp_path, example_record())
    text = to_json(example_record("deop/tiny", 1))
    edited = json.loads(text)
    edited["label"] = "mine/best"
    (folder / "records" / "torn.json").write_text(text[:300])
    (folder / "records" / "foreign.json").write_text("[1, 2]")
    (folder / "records" / "edited.json").write_text(json.dumps(edited))
    found = collect([folder])
    assert len(found.entries) == 1
    said = {
        name: next(each for each in found.skipped if f"{name}.json" in each)
        for name in ("torn", "foreign", "edited")
    }
    assert "not whole JSON" in said["torn"]
    assert "not a benchbed record" in said["foreign"]
    assert "it was edited after it was written" in said["edited"]


def test_nothing_to_read_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--from .*nowhere: no such file or folder"):
        collect([tmp_path / "nowhere"])
    with pytest.raises(MissingError, match=r"no records; expected what benchbed run writes"):
        make_report([tmp_path])
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(MissingError, match=r"no records \(1 file is no whole record: .*torn.json"):
        make_report([tmp_path])


def test_other_counts_of_the_same_thing_are_a_contradiction() -> None:
    first = trained("san/vit-b16", 0.9, 1)
    again = changed(first, image=7)
    (found,) = contradictions([first, again])
    assert {found.first, found.second} == {first.id, again.id}
    assert "on 1 image (first: 2007_000007)" in found.text
    assert "commit, machine and torch are the same" in found.text


@pytest.mark.parametrize("field", ["weights", "identity", "protocol", "config", "label"])
def test_what_differs_in_anything_that_decides_counts_does_not_contradict(field: str) -> None:
    first = trained("san/vit-b16", 0.9, 1)
    other = changed(first, image=7)
    changes = {
        "weights": {"method": {**other.method, "weights": {**other.method["weights"], "sha256": "f" * 64}}},
        "identity": {"dataset": {**other.dataset, "identity": "another"}},
        "protocol": {"protocol": {**other.protocol, "fingerprint": "another"}},
        "config": {"method": {**other.method, "config": {"proposals": 20}}},
        "label": {"label": "san/vit-l14"},
    }
    assert not contradictions([first, replace(other, **changes[field], id="")])


def test_a_part_of_the_images_is_compared_with_the_whole() -> None:
    whole = trained("san/vit-b16", 0.9, 1)
    assert whole.counts is not None
    part = replace(whole, counts=whole.counts.select(whole.counts.image_ids[5:9]), id="")
    assert not contradictions([whole, part])
    assert part.counts is not None
    (found,) = contradictions([whole, changed(part, image=2)])
    assert "2007_000007" in found.text


def test_a_contradiction_names_commits_and_machines_and_reaches_both_rows(tmp_path: Path) -> None:
    first = trained("san/vit-b16", 0.9, 1)
    again = changed(first, 0)
    again = replace(again, bench={**again.bench, "commit": "abc"}, environment={"machine": "m2"}, id="")
    found = collect([store(tmp_path, first, again)])
    (pair,) = found.contradictions
    assert "benchbed commit none / abc" in pair.text
    assert "machine 0123456789ab / m2" in pair.text
    for row in rows(found):
        assert any(caveat.text == pair.text for caveat in row.caveats)


def test_a_record_is_read_whatever_packed_its_counts(tmp_path: Path) -> None:
    """The id covers the packed text of the file itself: another zlib's packing of it need not be ours."""
    path = next(store(tmp_path, trained("san/vit-b16", 0.9)).rglob("*.json"))
    moved = tmp_path / "elsewhere" / "r.json"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    (entry,) = collect([moved]).entries
    assert entry.record.counts is not None
    np.testing.assert_array_equal(entry.record.counts.labelled, trained("san/vit-b16", 0.9).counts.labelled)
    assert entry.file == str(moved)
