"""Three trainings each of four methods: their records, and the table made of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from command import here

from benchbed.record_store import RecordStore

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "results" / "recorded" / "seeds"
METHODS = ("deop", "san", "spnet", "zegformer")

pytestmark = pytest.mark.skipif(
    not SEEDS.is_dir(), reason=f"{SEEDS} is not there: this is not a checkout of the repository"
)


def test_each_method_has_three_seeds_of_one_recipe_on_the_same_scenes() -> None:
    records, skipped = RecordStore(SEEDS).read_all()
    assert skipped == []
    found = defaultdict(list)
    for record in records:
        found[record.label].append(record)
    assert sorted(found) == [f"{name}/tiny" for name in METHODS]
    for label, each in found.items():
        trainings = [record.method["weights"]["training"] for record in each]
        assert sorted(training["seed"] for training in trainings) == [0, 1, 2], label
        assert len({training["recipe"] for training in trainings}) == 1, label
        assert len({record.method["weights"]["sha256"] for record in each}) == 3, label
        assert {record.group for record in each} == {records[0].group}, label
        assert all(record.counts is not None and record.counts.num_images == 200 for record in each), label


def test_the_weights_that_ship_are_the_first_seed() -> None:
    shipped, _ = RecordStore(SEEDS.parent).read_all()
    by_label = {record.label: record.method["weights"] for record in shipped}
    records, _ = RecordStore(SEEDS).read_all()
    for record in records:
        weights = record.method["weights"]
        if weights["training"]["seed"] == 0:
            assert weights["sha256"] == by_label[record.label]["sha256"], record.label


def test_the_table_in_the_repository_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    answer = here(capsys, "report", "--from", SEEDS, "--table", "seeds", "--format", "markdown")
    assert answer.code == 0, answer.err
    assert answer.out.strip() == (ROOT / "reports" / "seeds" / "tables" / "seeds-1.md").read_text().strip()
