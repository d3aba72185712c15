"""Tables from records: who may stand beside whom, what every row must say, and nothing that was not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from example_record import example_latency, example_record

from benchbed.metrics import accuracy
from benchbed.records import Record
from benchbed.report.figures import accuracy_figures, latency_figure, slowdown_figure, stage_medians
from benchbed.report.record_page import record_tables
from benchbed.report.run_tables import run_tables
from benchbed.report.summary import paired_latencies, summary
from benchbed.report.table import Table, significant, text


def column(table: Table, heading: str) -> list[str]:
    """The texts below a heading."""
    return [row[table.columns.index(heading)].text for row in table.rows]


def with_protocol(record: Record, **fields: Any) -> Record:
    """The record under a changed protocol."""
    return replace(record, protocol={**record.protocol, **fields, "fingerprint": "another"}, id="")


def test_comparable_records_share_tables_and_others_never_do() -> None:
    san, deop = example_record(), example_record("deop/tiny", seed=1)
    together = run_tables([san, deop])
    assert [table.title.split(":")[0] for table in together] == ["Accuracy", "Cost", "Stages, ms"]
    assert column(together[0], "method") == ["san/vit-b16", "deop/tiny"]
    apart = run_tables([san, with_protocol(deop, threads=8)])
    assert len(apart) == 6
    assert all(len(table.rows) == 1 for table in apart)
    assert any("threads: 2 / 8" in note or "threads: 8 / 2" in note for note in apart[0].notes)


def test_records_on_other_images_never_share_a_table() -> None:
    first = example_record()
    fewer = replace(first, dataset={**first.dataset, "used_identity": "i:3", "images": 3}, id="")
    assert all(len(table.rows) == 1 for table in run_tables([first, fewer]))


def test_random_weights_and_a_partial_split_are_said() -> None:
    table = run_tables([example_record()])[0]
    assert column(table, "weights") == ["random weights: accuracy means nothing"]
    assert any("6 of 1,449 images: not the official val split" in note for note in table.notes)
    assert "6 of 1,449 images" in table.title


def test_figures_are_derived_from_counts() -> None:
    record = example_record()
    assert record.counts is not None
    expected = accuracy(record.counts, np.array(record.dataset["seen"]), "union")
    figure = accuracy_figures(record)["hiou"]
    assert figure.value == pytest.approx(100 * expected.hiou)
    assert figure.low <= figure.value <= figure.high


def test_the_slow_down_is_of_paired_rounds_of_one_run_or_it_is_not_shown() -> None:
    fast = example_record(cost={"latency": example_latency(0)})
    slow = example_record("deop/tiny", cost={"latency": example_latency(0, scale=3.0)})
    ratio = slowdown_figure(slow, fast)
    assert ratio is not None
    assert ratio.value == pytest.approx(3.0)
    assert ratio.kind == "derived"
    other_run = example_record("deop/tiny", cost={"latency": example_latency(0, run_id="another")})
    assert slowdown_figure(other_run, fast) is None
    assert column(run_tables([fast, other_run])[1], "x fastest").count("-") == 1


def test_what_was_not_measured_is_a_dash() -> None:
    record = example_record(counts=None, cost={}, failures=("flops: an operator without a formula",))
    accuracy_table, cost_table = run_tables([record])
    assert column(accuracy_table, "mIoU %") == ["-"]
    assert column(cost_table, "latency ms") == ["-"]
    assert any("an operator without a formula" in note for note in cost_table.notes)
    assert latency_figure(record) is None


def test_stages_keep_the_order_of_a_forward_pass_and_add_up() -> None:
    record = example_record()
    table = run_tables([record])[2]
    assert table.columns == ("method", "backbone", "unaccounted")
    medians = stage_medians(record)
    assert sum(medians.values()) == pytest.approx(np.median(record.cost["latency"]["total_ms"]), rel=0.02)


def test_a_supervised_method_is_never_a_zero_shot_result() -> None:
    record = example_record()
    record = replace(
        record, method={**record.method, "card": {**record.method["card"], "supervised": True}}, id=""
    )
    assert any("never a zero-shot result" in note for note in run_tables([record])[0].notes)


def test_show_has_every_rule_and_every_class() -> None:
    tables = record_tables(example_record(), "r.json")
    rules = next(table for table in tables if "published rule" in table.title)
    assert [row[0].text for row in rules.rows] == ["ground-truth-only", "union", "all-classes"]
    classes = next(table for table in tables if table.title == "IoU of each class")
    assert [row[1].text for row in classes.rows].count("unseen") == 5


def test_the_summary_is_plain_data() -> None:
    content = summary(example_record(), full=True)
    assert content["accuracy"]["miou"]["unit"] == "%"
    assert content["cost"]["throughput"]["kind"] == "derived"
    assert len(content["class_iou_percent"]) == 20


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (157.840307, "157.8"), (8.370866, "8.371"), (0.0123456, "0.01235"), (12345.6, "12,346")],
)
def test_significant_digits(value: float, shown: str) -> None:
    assert significant(value, 4) == shown


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells, expected 1"):
        Table("t", ("a",), ((text(1), text(2)),))


def test_one_round_has_no_upper_end_and_json_says_null() -> None:
    latency = {**example_latency(), "total_ms": [100.0], "stage_ms": {"backbone": [100.0]}}
    content = summary(example_record(cost={"latency": latency}))
    assert content["cost"]["latency"]["high"] is None
    assert content["cost"]["throughput"]["high"] is None


def test_one_image_gives_no_interval_and_few_give_a_warning() -> None:
    record = example_record()
    assert record.counts is not None
    one = replace(
        record,
        counts=record.counts.select(record.counts.image_ids[:1]),
        dataset={**record.dataset, "images": 1},
        id="",
    )
    assert "[" not in column(run_tables([one])[0], "mIoU %")[0]
    assert summary(one)["accuracy"]["miou"]["low"] is None
    assert any("1 images: too few" in note for note in run_tables([one])[0].notes)


def test_flops_and_memory_name_their_image_and_weights_stand_beside() -> None:
    table = run_tables([example_record()])[1]
    assert any("san/vit-b16 640 x 864" in note and "2007_000000" in note for note in table.notes)
    assert column(table, "peak activations MiB") == ["300.0"]
    assert column(table, "weights MiB") == ["602.0"]


def test_paired_latencies_of_one_run_alone_stand_in_plain_data() -> None:
    first = example_record("one/a", cost={"latency": example_latency(0)})
    second = example_record("two/a", cost={"latency": example_latency(1, 5.0)})
    apart = example_record("three/a", cost={"latency": example_latency(2, run_id="another")})
    found = {
        (e["first"]["label"], e["second"]["label"]): e["x"] for e in paired_latencies([first, second, apart])
    }
    assert set(found) == {("one/a", "two/a"), ("two/a", "one/a")}
    ratio = found["two/a", "one/a"]
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert ratio["value"] == pytest.approx(5.0, rel=0.1)
    assert ratio["value"] == pytest.approx(1 / found["one/a", "two/a"]["value"])
    assert ratio["unit"] == "x"
