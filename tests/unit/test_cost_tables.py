"""What tables and JSON say of cost records whose numbers are known."""

from __future__ import annotations

import json

import pytest
from example_cost import example_cost, subject

from benchbed.cost_records import CostRecord
from benchbed.report.cost_summary import cost_summary
from benchbed.report.cost_tables import cost_tables, stage_table, time_table, work_table
from benchbed.report.option_tables import option_tables, options_table, throughput_table
from benchbed.report.sweep_tables import sweep_tables

LAWS = {"deop/a": (1500.0, 2.0), "zegformer/b": (500.0, 190.0)}
FLOPS = {
    "total": 200_000_000_000,
    "per_stage": {"backbone": 50_000_000_000, "clip_image": 150_000_000_000, "unaccounted": 0},
    "text": 1_000_000_000,
    "label_map": 4_000_000_000,
    "counted": "products",
    "input_size": [640, 864],
}
MEMORY = {
    "total_bytes": 300 * 2**20,
    "per_stage": {"backbone": 100 * 2**20, "unaccounted": 300 * 2**20},
    "weights_bytes": 600 * 2**20,
    "how": "a way",
    "batch": 1,
}


def example(**changes: object) -> CostRecord:
    """Two methods; of the first, everything is known."""
    full = subject(
        "deop/a",
        flops=FLOPS,
        memory=MEMORY,
        params={
            "total": 218_401_728,
            "trainable": 7_713_792,
            "frozen_clip": 149_000_000,
            "unused_at_inference": 0,
        },
        text={"total_ms": [100.0, 80.0, 90.0], "classes": 8, "of": 171, "unit": "ms"},
        outputs={
            "same": True,
            "timed_same": True,
            "agreement": 1.0,
            "classes": 4,
            "sha256": [],
            "against": "",
        },
        text_per_image=False,
        energy={"joules": 30.0, "images": 12, "seconds": 3.0, "how": ""},
    )
    bare = subject("zegformer/b", params=None, text_per_image=True, family="two-stream")
    record = example_cost(LAWS, matmul_peak={"fp32": {"flops_per_s": 2e11, "side": 1, "samples_ms": [1.0]}})
    protocol = {**record.protocol, "text": "once a vocabulary", "timed": "from here to there"}
    fields = {
        **record.__dict__,
        "subjects": {"deop/a": full, "zegformer/b": bare},
        "protocol": protocol,
        "id": "",
    }
    return CostRecord(**{**fields, **changes})  # type: ignore[arg-type]


def row(table: object, name: str) -> dict[str, str]:
    """A row's cells by heading."""
    found = next(each for each in table.rows if each[0].text == name)  # type: ignore[attr-defined]
    return {heading: cell.text for heading, cell in zip(table.columns, found, strict=True)}  # type: ignore[attr-defined]


def test_size_and_work() -> None:
    table = work_table(example())
    found = row(table, "deop/a")
    assert (found["params M"], found["trainable M"]) == ("218.4", "7.714")
    assert (found["GFLOPs"], found["GMAC"], found["label map GFLOPs"]) == ("200.0", "100.0", "4.000")
    assert (found["input"], found["proposals"]) == ("640 x 864", "100")
    assert found["peak activations MiB"] == "300.0"
    assert set(row(table, "zegformer/b").values()) >= {"-"}
    assert "640 x 853, 171 classes, 100 proposals, batch 1, protocol matched" in table.title
    assert any("multiply-add = 2 FLOPs" in note for note in table.notes)


def test_cold_text_and_steady_stand_apart() -> None:
    table = time_table(example())
    deop, zegformer = row(table, "deop/a"), row(table, "zegformer/b")
    assert deop["cold call ms"] == "9.00"
    assert deop["text ms"] == "~1923.8"  # 90 ms for 8 classes, times 171 / 8
    assert float(deop["steady ms"].split()[0]) == pytest.approx(1700, rel=0.05)
    assert float(deop["images/s"].lstrip("~").split()[0]) == pytest.approx(1 / 1.7, rel=0.05)
    assert deop["x fastest"] == "1"
    assert float(zegformer["x fastest"].lstrip("~").split()[0]) == pytest.approx(19500 / 1700, rel=0.05)
    assert float(deop["% of matmul peak"].lstrip("~").split()[0]) == pytest.approx(
        100 * 204e9 / 1.7 / 2e11, rel=0.05
    )
    assert (deop["J an image"], zegformer["J an image"]) == ("2.50", "-")
    notes = " ".join(table.notes)
    for words in (
        "12 interleaved rounds",
        "noise floor: deop/a",
        "scaled from 8 of 171 classes",
        "zegformer/b: steady includes the text",
    ):
        assert words in notes


def test_stages_side_by_side() -> None:
    table = stage_table(example())
    rows = {(each[0].text, each[1].text): [cell.text for cell in each] for each in table.rows}
    assert set(rows) >= {
        ("deop/a", "backbone"),
        ("deop/a", "clip_image"),
        ("deop/a", "label_map"),
        ("deop/a", "unaccounted"),
    }
    backbone = dict(zip(table.columns, rows["deop/a", "backbone"], strict=True))
    assert (backbone["% of time"], backbone["GFLOPs"], backbone["highest MiB"]) == ("25.0", "50.00", "100")
    assert float(backbone["GFLOP/s"]) == pytest.approx(50 / 0.425, rel=0.05)
    assert rows["deop/a", "label_map"][2] == "-"


def test_what_was_not_timed_is_absent_not_zero() -> None:
    record = example(points=example().points[:4])
    assert row(time_table(record), "zegformer/b")["steady ms"] == "-"
    assert cost_summary(record)["subjects"]["zegformer/b"].get("latency") is None
    assert len(sweep_tables(record)[0].rows) == 1


def test_a_sweep_gives_points_laws_and_where_one_overtakes_another() -> None:
    points, laws = sweep_tables(example())
    assert points.columns == ("method", "1", "10", "40", "100")
    assert float(row(points, "zegformer/b")["10"].split()[0]) == pytest.approx(2400, rel=0.05)
    slope = row(laws, "zegformer/b")["ms a proposal"]
    assert float(slope.lstrip("~").split()[0].replace(",", "")) == pytest.approx(190, rel=0.05)
    (said,) = [note for note in laws.notes if "is faster than" in note]
    assert said.startswith("zegformer/b is faster than deop/a below 5.")
    assert said.endswith("slower above")


def test_laws_that_never_meet_are_said_not_to() -> None:
    record = example_cost({"deop/a": (100.0, 2.0), "zegformer/b": (500.0, 190.0)})
    assert any("none overtakes another" in note for note in sweep_tables(record)[1].notes)


def test_a_way_of_running_stands_against_the_plain_one() -> None:
    record = example()
    assert option_tables(record) == []
    half = {
        **record.subjects["deop/a"],
        "options": {"precision": "bf16", "compile": False, "channels_last": False},
    }
    half["outputs"] = {**half["outputs"], "same": False, "agreement": 0.9921, "timed_same": False}
    points = tuple(
        type(p)(
            "deop/a [bf16]",
            p.conditions,
            p.input_size,
            {**p.latency, "total_ms": [ms / 2 for ms in p.total_ms]},
        )
        for p in record.points
        if p.subject == "deop/a"
    )
    both = example(subjects={**record.subjects, "deop/a [bf16]": half}, points=(*record.points, *points))
    (table,) = option_tables(both)
    found = row(table, "deop/a [bf16]")
    assert found["x plain"] == "~0.500 [0.500, 0.500]"
    assert (
        found["predictions"]
        == "99.210 % of pixels agree, and rounds differ among themselves (4 classes in the maps)"
    )
    assert row(options_table(both), "deop/a")["predictions"] == "the same (4 classes in the maps)"
    assert len(cost_tables(both)) == 3


def test_throughput_names_what_did_not_fit() -> None:
    record = example()
    steps = [
        {"batch": 1, "fits": True, "peak_bytes": 2**30, "ms": 1.0, "why": "", "out_of_memory": False},
        {
            "batch": 2,
            "fits": False,
            "peak_bytes": None,
            "ms": None,
            "why": "batch 2: out of memory",
            "out_of_memory": True,
        },
    ]
    found = {
        "steps": steps,
        "largest_batch": 1,
        "limit": "batch 2: out of memory",
        "budget_bytes": 2**31,
        "batch": 1,
        "batches": 4,
        "batch_ms": [2000.0] * 4,
        "unit": "ms",
    }
    measured = {**record.subjects["deop/a"], "throughput": found}
    table = throughput_table(example(subjects={"deop/a": measured}))
    cells = row(table, "deop/a")
    assert cells["images/s"] == "2.00 [2.00, 2.00]"
    assert cells["% of matmul peak"] == "~204.0"
    assert cells["tried"] == "1 fits, 2 does not"
    assert "deop/a: batch 2: out of memory" in table.notes


def test_the_summary_is_strict_json() -> None:
    content = json.loads(json.dumps(cost_summary(example()), allow_nan=False))
    pairs = {(each["first"], each["second"]): each["x"]["value"] for each in content["paired"]}
    assert all(pairs[two, one] == pytest.approx(1 / x) for (one, two), x in pairs.items())
    assert len(pairs) >= 2
    assert content["subjects"]["deop/a"]["joules_an_image"] == 2.5
    (crossing,) = content["sweeps"]["proposals"]["crossings"]
    assert crossing["faster_below"] == "zegformer/b"
    assert crossing["x"]["value"] == pytest.approx(1000 / 188, rel=0.1)
