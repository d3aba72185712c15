"""Trainings that differ in their seed alone: told from other recipes, from copies, and from what images make uncertain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plot_rows import as_rows, trained_record

from benchbed.report.presets import make_tables
from benchbed.report.seeds import siblings
from benchbed.report.table import Table


def seeded(label: str, seed: int, recipe: str = "r" * 12, **changes: Any) -> Any:
    """A record whose weights `benchbed train` made with this seed."""
    about = changes.pop("training", {})
    first = trained_record(label, 0.55 + 0.03 * seed, 1, seed, **changes)
    training = {
        "dataset": "voc",
        "split": "train",
        "images": 10,
        "seen": list(first.dataset["names"][:15]),
        "seed": seed,
        "recipe": recipe,
        "init": {"clip": {"file": "c", "sha256": "1"}},
        "bench": {"version": "0.1.0", "commit": "c", "dirty": False, "source": "s"},
        **about,
    }
    weights = {**first.method["weights"], "training": training}
    return trained_record(
        label, 0.55 + 0.03 * seed, 1, seed, **{**changes, "method": {**first.method, "weights": weights}}
    )


def tables(records: list[Any]) -> tuple[Table, ...]:
    return make_tables("seeds", as_rows(records), ())


def test_seeds_with_their_intervals_then_mean_and_both_spreads() -> None:
    records = [seeded("deop/a", seed) for seed in (2, 10, 0)]
    (table,) = tables([*records, trained_record("san/a", 0.5, 1, 9)])
    assert table.sections == ((0, f"deop/a, recipe {'r' * 12}"),)
    assert [row[0].text for row in table.rows] == [
        *("0", "2", "10"),
        *("mean of 3", "s.d. of seeds", "s.e. over images"),
    ]
    rows = {row.provenance.weights_sha256: row for row in as_rows(records)}
    ordered = [rows[f"{seed:064d}"] for seed in (0, 2, 10)]
    figures = [row.figures["hiou"] for row in ordered]
    for line, row, figure in zip(table.rows, ordered, figures, strict=False):
        assert (line[3].figure, line[3].kind, line[3].record) == (figure, "measured", row.provenance.record)
    mean, between, within = [line[3].figure for line in table.rows[3:]]
    assert mean is not None
    assert between is not None
    assert within is not None
    values = [figure.value for figure in figures]
    assert mean.value == pytest.approx(np.mean(values))
    assert between.value == pytest.approx(np.std(values, ddof=1))
    assert within.value == pytest.approx(np.mean([f.high - f.low for f in figures]) / 3.92, rel=0.2)
    assert {line[3].kind for line in table.rows[3:]} == {"derived"}


def test_caveats_are_said_below() -> None:
    dataset = {**trained_record("deop/a").dataset, "embedded": True}
    (table,) = tables([seeded("deop/a", seed, dataset=dataset) for seed in range(2)])
    assert any("rank nothing in the real world" in note for note in table.notes)


def test_other_recipes_configurations_copies_and_other_protocols_are_no_seeds() -> None:
    apart = [seeded("deop/a", 0), seeded("deop/a", 1, recipe="q" * 12)]
    assert tables(apart) == ()
    method = {**seeded("deop/a", 1).method, "config": {"starts": "otherwise"}}
    training = method["weights"]["training"]
    other_start = trained_record("deop/a", 0.58, 1, 1, method=method)
    assert other_start.method["weights"]["training"] == training
    assert tables([seeded("deop/a", 0), other_start]) == ()
    copies = [seeded("deop/a", 0), seeded("deop/a", 0, created="2027-01-01T00:00:00+00:00")]
    assert tables(copies) == ()
    record = seeded("deop/a", 1)
    other = seeded("deop/a", 1, protocol={**record.protocol, "fingerprint": "f" * 16})
    assert tables([seeded("deop/a", 0), other]) == ()


def test_weights_of_unknown_training_are_no_seeds() -> None:
    assert tables([trained_record("deop/a", 0.5, 1, seed) for seed in range(3)]) == ()
    assert len(siblings(as_rows([trained_record("deop/a", 0.5, 1, seed) for seed in range(3)]))[0]) == 3


def test_the_same_weights_count_once_by_the_record_that_knows_their_training() -> None:
    known = seeded("deop/a", 0)
    unknown = trained_record("deop/a", 0.55, 1, 0, created="2027-01-01T00:00:00+00:00")
    ((row,),) = siblings(as_rows([known, unknown]))
    assert row.provenance.record == known.id


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"init": {"clip": {"file": "c", "sha256": "2"}}}, "started from different files"),
        ({"bench": {"version": "0.1.0", "commit": "d"}}, "different versions of benchbed"),
        ({"seed": 0}, "seed 0 was trained more than once"),
    ],
)
def test_what_else_is_not_the_same_is_said(training: dict[str, Any], words: str) -> None:
    (table,) = tables([seeded("deop/a", 0), seeded("deop/a", 1, training=training)])
    assert sum(words in note for note in table.notes) == 1
    (alike,) = tables([seeded("deop/a", 0), seeded("deop/a", 1)])
    assert not any(words in note for note in alike.notes)


def test_without_a_split_the_miou_is_shown() -> None:
    dataset = trained_record("deop/a").dataset
    whole = {**dataset, "seen": [False] * len(dataset["names"])}
    (table,) = tables([seeded("deop/a", seed, dataset=whole) for seed in range(2)])
    assert table.columns == ("seed", "mIoU %")
