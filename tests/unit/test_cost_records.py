"""Cost records: whole, unchanged, readable without torch; sweeps and bases found in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from example_cost import example_cost

from benchbed.cost.conditions import Conditions
from benchbed.cost.scaling import fit_laws
from benchbed.cost_record import to_json
from benchbed.cost_records import (
    law_samples,
    paired_samples,
    prepare,
    read_cost_record,
    read_cost_records,
    write_cost_record,
)
from benchbed.errors import StoreError

LAWS = {"deop/a": (1500.0, 2.0), "zegformer/b": (500.0, 190.0)}


def test_a_record_comes_back_equal(tmp_path: Path) -> None:
    record = example_cost(LAWS)
    path = write_cost_record(tmp_path, record)
    assert path == tmp_path / "costs" / f"{record.id}.json"
    again = read_cost_record(path)
    assert (again.id, again.points, again.subjects) == (record.id, record.points, record.subjects)
    assert to_json(again) == path.read_text()


def test_an_edited_record_is_refused(tmp_path: Path) -> None:
    path = write_cost_record(tmp_path, example_cost(LAWS))
    content = json.loads(path.read_text())
    content["points"][0]["latency"]["total_ms"][0] *= 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="it was edited after it was written"):
        read_cost_record(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: text[: len(text) // 2], "not whole JSON"),
        (lambda text: "", "not whole JSON"),
        (lambda text: "[]", "not a cost record"),
        (lambda text: text.replace("benchbed cost record", "benchbed record"), "not a cost record"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema 2, this benchbed reads up to 1"),
        (lambda text: text.replace('"points"', '"pints"'), "damaged"),
        (lambda text: text.replace('"batch": 1', '"batches": 1'), "damaged"),
    ],
)
def test_torn_foreign_and_newer_files_are_named(tmp_path: Path, change: object, match: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(change(to_json(example_cost(LAWS))))  # type: ignore[operator]
    with pytest.raises(StoreError, match=match) as caught:
        read_cost_record(path)
    assert str(path) in str(caught.value)


def test_a_folder_gives_what_is_readable_and_names_the_rest(tmp_path: Path) -> None:
    kept = example_cost(LAWS)
    write_cost_record(tmp_path, kept)
    (tmp_path / "costs" / "torn.json").write_text("{")
    records, skipped = read_cost_records(tmp_path)
    assert [each.id for each in records] == [kept.id]
    assert len(skipped) == 1
    assert "torn.json" in skipped[0]
    assert read_cost_records(tmp_path / "nothing") == ([], [])


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="--out"):
        prepare(tmp_path / "out")
    with pytest.raises(StoreError, match="cannot be read"):
        read_cost_record(tmp_path / "none.json")


def test_base_and_sweep_are_found_by_their_conditions() -> None:
    record = example_cost(LAWS)
    base = record.base("deop/a")
    assert base is not None
    assert base.conditions == Conditions((640, 853), 171, 100, 1)
    assert [value for value, _ in record.sweep("proposals", "zegformer/b")] == [1, 10, 40, 100]
    assert [value for value, _ in record.sweep("batch", "zegformer/b")] == [1]
    samples = law_samples(record, "proposals")
    laws = fit_laws(samples)
    assert laws["zegformer/b"].coefficients[1].value == pytest.approx(190, rel=0.1)
    paired = paired_samples(record, list(LAWS))
    assert len(paired["deop/a"]) == len(paired["zegformer/b"])


def test_times_of_a_batch_are_an_image_s() -> None:
    record = example_cost({"deop/a": (1500.0, 0.0)}, values=(100,))
    point = record.points[0]
    four = type(point)(point.subject, point.conditions.at("batch", 4), point.input_size, point.latency)
    changed = type(record)(**{**record.__dict__, "points": (four,), "conditions": four.conditions, "id": ""})
    assert paired_samples(changed, ["deop/a"])["deop/a"][0] == pytest.approx(point.total_ms[0] / 4)
    assert law_samples(changed, "proposals")["deop/a"][100.0][0] == pytest.approx(point.total_ms[0] / 4)
    # Over batches a call grows evenly, an image does not.
    assert law_samples(changed, "batch")["deop/a"][4.0] == point.total_ms


def test_nothing_of_it_needs_torch() -> None:
    rooms = "benchbed.cost_records, benchbed.cost.scaling, benchbed.cost.request, benchbed.cost_command"
    code = f"import sys, {rooms}, benchbed.report.cost_tables, benchbed.report.sweep_tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
