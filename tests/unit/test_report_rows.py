"""Rows: figures by name, caveats and provenance of a record; ranks; footnotes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from example_record import example_record
from report_records import comparison, supervised, trained, under

from benchbed.metrics import Counts, accuracy
from benchbed.records import Record
from benchbed.report.collect import Collection, Entry
from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure
from benchbed.report.footnotes import Footnotes, common, in_reading_order
from benchbed.report.ranking import ranks
from benchbed.report.rows import Caveat, Row, rows
from benchbed.report.sentences import pattern, ranged
from benchbed.report.table import Cell, Table, number, shown_value


def rows_of(records: Sequence[Record]) -> tuple[Row, ...]:
    """Rows of records as if each were read from a file."""
    return rows(Collection(tuple(Entry(record, f"{record.id}.json") for record in records)))


def test_figures_have_the_values_of_the_record() -> None:
    record = example_record()
    (row,) = rows_of([record])
    assert record.counts is not None
    expected = accuracy(record.counts, np.array(record.dataset["seen"]), "union")
    assert row.figures["hiou"].value == pytest.approx(100 * expected.hiou)
    assert row.figures["params"].value == pytest.approx(157.840307)
    assert row.figures["gmac"].value == pytest.approx(row.figures["gflops"].value / 2)
    assert row.figures["memory"].value == pytest.approx(300)
    assert row.figures["latency"].value == pytest.approx(np.median(record.cost["latency"]["total_ms"]))
    assert row.figures["throughput"].kind == "derived"
    assert set(row.figures) <= set(FIGURES)


def test_another_rule_for_absent_classes_is_another_figure() -> None:
    record = example_record()
    assert record.counts is not None
    intersection, labelled = record.counts.intersection.copy(), record.counts.labelled.copy()
    labelled[:, 1] += labelled[
        :, 0
    ]  # the first class is only predicted: 0 under one rule, left out under the other
    intersection[:, 0] = labelled[:, 0] = 0
    counts = Counts(record.counts.image_ids, intersection, record.counts.predicted, labelled)
    (row,) = rows_of([replace(record, counts=counts, id="")])
    union, truth = row.figure("miou", "union"), row.figure("miou", "ground-truth-only")
    assert union is not None
    assert truth is not None
    assert truth.value > union.value
    assert row.figure("miou", "") is None  # a rule nobody said is no measured record's


def test_accuracy_alone_and_cost_alone_make_rows() -> None:
    alone, cost = example_record(cost={}), example_record(counts=None)
    first, second = rows_of([alone, cost])
    assert "miou" in first.figures
    assert "latency" not in first.figures
    assert "miou" not in second.figures
    assert "latency" in second.figures


def test_provenance_says_where_a_number_comes_from() -> None:
    record = trained("san/vit-b16", 0.9)
    record = replace(record, bench={"version": "1.2", "commit": "abc", "dirty": True}, id="")
    (row,) = rows_of([record])
    said = row.provenance
    assert (said.record, said.file) == (record.id, f"{record.id}.json")
    assert said.commit == "abc+"
    assert said.processor == "A Processor, 2 threads"
    assert said.fingerprint == record.protocol["fingerprint"]
    assert said.coverage == "40 of 1,449 images"


def test_caveats_are_of_accuracy_or_of_speed() -> None:
    protocol = {"resolved": {"input": {}, "text_per_image": True}}
    record = example_record(warnings=("busy machine: 2.0 of 2 cores",), failures=("flops: none",))
    record = replace(record, protocol={**record.protocol, **protocol}, id="")
    (row,) = rows_of([supervised(record)])
    told = {caveat.text: caveat.about for caveat in row.caveats}
    assert told["random weights: accuracy means nothing"] == "accuracy"
    assert told["6 images: too few for an interval that means much"] == "accuracy"
    assert told["busy machine: 2.0 of 2 cores"] == "speed"
    assert told["not measured: flops: none"] == "all"
    assert any("supervised reference" in text for text in told)
    assert any("includes the text tower" in text for text in told)


def test_best_and_second_are_those_of_a_plain_sort() -> None:
    found = [
        row for row in rows_of(comparison()) if row.dataset == "voc" and row.provenance.coverage[0] == "4"
    ]
    competing = [row for row in found if row.ranked and row.record and row.record.protocol["threads"] == 2]
    ordered = sorted(competing, key=lambda row: row.figures["hiou"].value, reverse=True)
    assert ranks(found, "hiou") == {ordered[0].key: "best", ordered[1].key: "second"}
    fastest = sorted(
        (row for row in found if row.record and row.record.protocol["threads"] == 2),
        key=lambda row: row.figures["latency"].value,
    )
    assert ranks(found, "latency") == {fastest[0].key: "best", fastest[1].key: "second"}


def test_random_supervised_lone_and_incomparable_rows_are_never_ranked_on_accuracy() -> None:
    good, bad = trained("a/x", 0.9, 1), trained("b/x", 0.5, 2)
    assert not ranks(rows_of([good]), "miou")
    assert not ranks(rows_of([good, under(bad, threads=8)]), "miou")
    assert not ranks(rows_of([good, supervised(bad)]), "miou")
    assert not ranks(rows_of([good, trained("b/x", 0.5, 2, images=39)]), "miou")
    random = replace(
        bad, method={**bad.method, "weights": {"kind": "random", "note": "", "sha256": ""}}, id=""
    )
    assert not ranks(rows_of([good, random]), "miou")
    assert len(ranks(rows_of([good, bad]), "miou")) == 2


def test_times_of_two_machines_are_never_ranked_together() -> None:
    here, there = trained("a/x", 0.9, 1), trained("b/x", 0.5, 2, scale=2)
    assert len(ranks(rows_of([here, there]), "latency")) == 2
    there = replace(there, environment={**there.environment, "machine": "another"}, id="")
    assert not ranks(rows_of([here, there]), "latency")
    assert len(ranks(rows_of([here, there]), "miou")) == 2


def test_what_a_table_shows_alike_shares_a_rank_and_all_alike_is_none() -> None:
    twins = [
        trained("a/x", 0.9, 1),
        replace(trained("a/x", 0.9, 1), label="b/x", id=""),
        trained("c/x", 0.5, 3),
    ]
    found = ranks(rows_of(twins), "miou")
    assert sorted(found.values()) == ["best", "best", "second"]
    assert not ranks(rows_of(twins), "params")


def test_sentences_that_differ_in_numbers_become_one_with_ranges() -> None:
    busy = "busy machine: {:.1f} of 2 cores (load {:.1f}); san/vit-b16"
    said = [busy.format(2.0, 3.5), busy.format(1.5, 3.5), busy.format(1.75, 3.5)]
    assert len({pattern(each) for each in said}) == 1
    assert ranged(said) == "busy machine: 1.5 to 2.0 of 2 cores (load 3.5); san/vit-b16"
    with pytest.raises(ValueError, match="one pattern"):
        ranged(["a 1", "b 1"])


def test_varying_caveats_share_a_footnote_and_others_do_not() -> None:
    notes = Footnotes()
    first = notes.marks([Caveat("load 1.0", "speed", True), Caveat("20 of 200 images")])
    second = notes.marks([Caveat("load 4.0", "speed", True), Caveat("30 of 200 images")])
    assert first == (0, 1)
    assert second == (0, 2)
    assert notes.texts == ("load 1.0 to 4.0", "20 of 200 images", "30 of 200 images")


def test_what_all_rows_share_is_found_once() -> None:
    records = [
        example_record("a/x", 1, warnings=("load 1.0",)),
        example_record("b/x", 2, warnings=("load 2.0", "hot")),
    ]
    shared = common(rows_of(records), ("accuracy", "speed"))
    assert "load 1.0 to 2.0" in shared.values()
    assert "random weights: accuracy means nothing" in shared.values()
    assert "hot" not in shared.values()
    assert common([], ("all",)) == {}


def test_footnotes_are_numbered_as_a_reader_meets_them() -> None:
    table = Table(
        "t",
        ("a", "b"),
        ((Cell("x", marks=(2,)), Cell("y")), (Cell("z", marks=(1,)), Cell("w", marks=(2, 0)))),
        footnotes=("zero", "one", "two"),
        sections=((1, "second"),),
        section_marks=((1, (0,)),),
    )
    moved = in_reading_order(table)
    assert moved.footnotes == ("two", "zero", "one")
    assert moved.rows[0][0].marks == (0,)
    assert moved.rows[1][1].marks == (0, 1)
    assert moved.section_marks == ((1, (1,)),)


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (12.345, 1, "12.3"),
        (1e30, 1, "1e+30"),
        (2.5e7, 1, "25,000,000"),
        (math.inf, 1, "inf"),
        (3e-9, None, "3e-09"),
    ],
)
def test_huge_and_tiny_values_fit_a_column(value: float, digits: int | None, shown: str) -> None:
    assert shown_value(value, digits) == shown


def test_a_cell_tells_measured_derived_published_doubtful_and_absent_apart() -> None:
    def cell(kind: str, **more: object) -> str:
        return number(Figure(1.0, 0.5, 2.0, "%", kind), **more).text  # type: ignore[arg-type]

    shown = {cell("measured"), cell("derived"), cell("published"), cell("measured", doubtful=True)}
    assert shown == {"1.0 [0.5, 2.0]", "~1.0 [0.5, 2.0]", "1.0† [0.5, 2.0]", "(1.0 [0.5, 2.0])"}
    assert number(Figure(math.nan, 0, 1, "%")).kind == "absent"
    assert number(Figure(1.0, math.nan, math.nan, "%")).text == "1.0"
