"""The tables that papers show: columns, sections, footnotes, ranks, published rows; and records that lack parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from example_record import example_latency, example_record
from report_records import comparison, on, supervised, trained, under
from test_report_rows import rows_of

from benchbed.records import Record
from benchbed.report.presets import PRESETS, make_tables
from benchbed.report.published import published
from benchbed.report.table import Cell, Table


def tables(name: str, records: Sequence[Record]) -> tuple[Table, ...]:
    """The tables of a preset, published numbers included."""
    return make_tables(name, rows_of(records), published())


def cell(table: Table, label: str, column: int) -> Cell:
    """The cell of the row with this label."""
    (row,) = [row for row in table.rows if row[0].text == label]
    return row[column]


def headings(table: Table) -> list[str]:
    """The two lines of headings in one."""
    above = [span for span, count in table.spans for _ in range(count)] or [""] * len(table.columns)
    return [f"{a} {b}".strip() for a, b in zip(above, table.columns, strict=True)]


def test_zs3_groups_seen_unseen_and_hiou_by_dataset() -> None:
    table = tables("zs3", comparison())[0]
    assert [span for span in table.spans if span[0]] == [("VOC (15/5)", 5), ("COCO-Stuff (15/5)", 5)]
    assert headings(table)[2:5] == ["VOC (15/5) seen %", "VOC (15/5) unseen %", "VOC (15/5) hIoU %"]
    record = comparison()[0]
    assert record.counts is not None
    sums = record.counts.total()
    iou = sums.intersection / (sums.predicted + sums.labelled - sums.intersection)
    seen = np.array(record.dataset["seen"])
    s, u = iou[seen].mean(), iou[~seen].mean()
    assert cell(table, "san/vit-b16", 2).text.startswith(f"{100 * s:.1f} [")
    assert cell(table, "san/vit-b16", 3).text.startswith(f"{100 * u:.1f} [")
    assert cell(table, "san/vit-b16", 4).text.startswith(f"{200 * s * u / (s + u):.1f} [")
    assert cell(table, "san/vit-b16", 4).record == record.id


def test_zs3_ranks_comparable_rows_alone_and_names_the_field_that_differs() -> None:
    table = tables("zs3", comparison())[0]
    shown = {row[0].text: row[4].rank for row in table.rows}
    assert shown["san/vit-b16"] == "best"
    assert shown["deop/r101c-vit-b16"] == "second"
    assert [label for label, rank in shown.items() if rank] == ["deop/r101c-vit-b16", "san/vit-b16"]
    place = next(i for i, row in enumerate(table.rows) if row[0].text == "san/vit-l14")
    assert any(start == place and "8 threads" in heading for start, heading in table.sections)
    (mark,) = dict(table.section_marks)[place]
    assert "threads: 8 / 2" in table.footnotes[mark]


def test_random_weights_stand_in_brackets_with_a_footnote() -> None:
    table = tables("zs3", comparison())[0]
    shown = cell(table, "lseg/vitl16", 2)
    assert shown.doubtful
    assert re.fullmatch(r"\(.* \[.*\]\)", shown.text)
    said = [table.footnotes[mark] for mark in cell(table, "lseg/vitl16", 0).marks]
    assert "random weights: accuracy means nothing" in said
    assert not cell(table, "lseg/vitl16", 5).doubtful  # its cost is real


def test_published_rows_carry_a_dagger_and_their_source_and_no_rank() -> None:
    table = tables("zs3", comparison())[0]
    deop = [row for row in table.rows if row[0].text == "DeOP"]
    assert [each.text for each in deop[0][2:5]] == ["88.2†", "74.6†", "80.8†"]
    assert [each.text for each in deop[0][7:10]] == ["38.0†", "38.4†", "38.2†"]
    assert any("DeOP paper Table 1" in table.footnotes[mark] for mark in deop[0][0].marks)
    assert not any(each.rank for row in table.rows for each in row if each.kind == "published")
    assert any(note.startswith("†: published elsewhere") for note in table.notes)


def test_images_that_differ_within_a_section_are_told_at_the_cell() -> None:
    records = [trained("a/x", 0.9, 1), trained("b/x", 0.8, 2), trained("c/x", 0.7, 3, images=20)]
    table = tables("zs3", records)[0]
    marked = cell(table, "c/x", 2)
    assert any("images: 20 of 1,449 images / 40 of 1,449 images" in table.footnotes[m] for m in marked.marks)
    assert not marked.rank


def test_the_same_counts_measured_again_are_one_line_that_says_so() -> None:
    first = trained("a/x", 0.9, 1)
    again = replace(first, created="2026-12-01T00:00:00+00:00", id="")
    other = trained("a/x", 0.8, 2)
    table = tables("zs3", [first, again, other])[0]
    labels = [row[0].text for row in table.rows[:2]]
    assert labels == [f"a/x #{again.id[:6]}", f"a/x #{other.id[:6]}"]
    said = [table.footnotes[mark] for mark in table.rows[0][0].marks]
    assert f"record {first.id} of the same hold the same counts" in said


def test_a_dataset_without_unseen_classes_has_no_zs3_table() -> None:
    record = on(trained("a/x", 0.9, 1), "ade20k-150", seen=[False] * 20)
    assert all(table.name == "zs3-published" for table in tables("zs3", [record]))


def test_open_vocab_shows_pc459_under_both_rules() -> None:
    record = on(trained("san/vit-b16", 0.9, 1), "pascal-context-459", seen=[False] * 20)
    table = tables("open-vocab", [record])[0]
    assert headings(table)[2:] == [
        "PC-459 mIoU union %",
        "PC-459 mIoU ground-truth-only %",
        "PC-459 mIoU rule not said %",
    ]
    own = cell(table, "san/vit-b16", 2), cell(table, "san/vit-b16", 3), cell(table, "san/vit-b16", 4)
    assert [each.kind for each in own] == ["measured", "measured", "absent"]
    quoted = next(row for row in table.rows if row[0].text == "SAN" and "ViT-B/16" in row[1].text)
    assert [each.text for each in quoted[2:]] == ["12.6†", "16.7†", "12.6†"]
    assert any("ground-truth-only that of its source since July 2022" in note for note in table.notes)


def test_open_vocab_puts_one_set_of_weights_in_one_line() -> None:
    first = trained("a/x", 0.9, 1)
    table = tables("open-vocab", [first, on(first, "coco-stuff"), trained("a/x", 0.8, 2)])[0]
    own = [row for row in table.rows if row[0].text.startswith("a/x")]
    assert [[each.kind for each in row[2:4]] for row in own] == [
        ["measured", "measured"],
        ["measured", "absent"],
    ]


def test_efficiency_takes_ratios_of_one_run_alone() -> None:
    fast, slow = trained("a/x", 0.9, 1), trained("b/x", 0.8, 1, scale=3)
    alone = trained("c/x", 0.8, 2)
    alone = replace(alone, cost={**alone.cost, "latency": example_latency(2, run_id="another")}, id="")
    (table,) = tables("efficiency", [fast, slow, alone])
    column = table.columns.index("speed-up x")
    assert cell(table, "a/x", column).text.startswith("~3.00 [")
    assert cell(table, "b/x", column).text == "1"
    assert cell(table, "c/x", column).kind == "absent"


def test_efficiency_names_what_parts_two_machines() -> None:
    first = trained("a/x", 0.9, 1)
    there = trained("b/x", 0.9, 2, environment={"cpu": "Another", "machine": "m2"})
    (table,) = tables("efficiency", [first, there])
    assert len(table.sections) == 2
    assert any("processor: " in note and "machine: " in note for note in table.footnotes)


def test_parity_pairs_a_variant_with_its_own_published_numbers() -> None:
    (table,) = tables("parity", comparison())
    shown = {(row[0].text, row[1].text, row[2].text, row[3].text) for row in table.rows}
    assert ("deop/r101c-vit-b16", "voc", "hIoU %", "80.8†") in shown
    assert ("san/vit-l14", "voc", "mIoU %", "95.2†") in shown
    assert not any(label == "san/vit-b16" and value == "95.2†" for label, _, _, value in shown)
    row = next(row for row in table.rows if row[0].text == "deop/r101c-vit-b16" and row[3].text == "80.8†")
    measured, difference = row[4].figure, row[5].figure
    assert measured is not None
    assert difference is not None
    assert difference.value == pytest.approx(measured.value - 80.8)
    assert difference.low == pytest.approx(measured.low - 80.8)
    assert row[6].text == "no"


def test_classes_tell_seen_from_unseen() -> None:
    (table,) = tables("classes", [trained("a/x", 0.9, 1), trained("b/x", 0.8, 2)])
    assert table.sections == ((0, "seen classes"), (15, "unseen classes"))
    assert [row[0].text for row in table.rows[15:]] == ["pottedplant", "sheep", "sofa", "train", "tvmonitor"]


def test_records_with_missing_parts_leave_dashes() -> None:
    records = [trained("a/x", 0.9, 1, cost={}), trained("b/x", 0.8, 2, counts=None), trained("c/x", 0.7, 3)]
    zs3 = tables("zs3", records)[0]
    assert [row[0].text for row in zs3.rows[:2]] == ["a/x", "c/x"]
    assert cell(zs3, "a/x", 5).kind == "absent"
    (efficiency,) = tables("efficiency", records)
    assert sorted(row[0].text for row in efficiency.rows) == ["b/x", "c/x"]
    assert len(tables("classes", records)[0].columns) == 3


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "record",
    [
        example_record(),
        example_record(cost={}),
        example_record(counts=None),
        example_record(counts=None, cost={}),
        under(supervised(trained("a/x", 0.5)), threads=1),
    ],
    ids=["random", "accuracy alone", "cost alone", "nothing", "supervised"],
)
def test_one_record_of_any_kind_makes_tables_or_none(name: str, record: Record) -> None:
    for table in tables(name, [record]):
        assert table.rows
        assert all(mark < len(table.footnotes) for row in table.rows for each in row for mark in each.marks)


def test_sixty_methods_fit() -> None:
    records = [trained(f"m{i}/x", 0.3 + i / 100, i) for i in range(60)]
    table = tables("zs3", records)[0]
    assert sum(row[0].text.startswith("m") for row in table.rows) == 60
    assert [row[0].text for row in table.rows if row[4].rank == "best"] == ["m59/x"]
    assert [len(each.columns) - 1 for each in tables("classes", records)] == [12] * 5


def test_huge_cost_values_stay_in_their_column() -> None:
    record = trained("a/x", 0.9)
    flops = {**record.cost["flops"], "total": 10**30}
    (table,) = tables("efficiency", [replace(record, cost={**record.cost, "flops": flops}, id="")])
    assert cell(table, "a/x", table.columns.index("GFLOPs")).text == "1e+21"


def test_published_rows_of_one_table_that_differ_in_backbone_are_all_there() -> None:
    """FC-CLIP's README has six backbones in one table: same method, dataset and source."""
    (table,) = tables("open-vocab", [])
    own = [row[1].text for row in table.rows if row[0].text == "FC-CLIP"]
    assert len(own) == len(set(own)) == 6
    assert not any("hold the same counts" in note for note in table.footnotes)
