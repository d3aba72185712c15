"""Comparing records: differences against a plain loop, images won and lost, and every pair that is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_record import IMAGES, example_counts, example_latency, example_record

from benchbed.compare import COMPARED, compare, enough_replicates, image_miou
from benchbed.datasets.voc import DATASET
from benchbed.errors import UsageError
from benchbed.metrics import Counts, accuracy, holm, paired_differences
from benchbed.protocol import named
from benchbed.record_choice import choose_records
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.report.compare_tables import compare_dict, compare_tables
from benchbed.report.figures import seen_mask


def better(seed: int, share: float) -> Counts:
    """The example's counts with a share of the wrong pixels put right; ground truth is that of seed 0."""
    base = example_counts()
    draw = np.random.default_rng(seed)
    missing = base.labelled - base.intersection
    right = base.intersection + (missing * share * draw.random(missing.shape)).astype(np.int64)
    # What is predicted right must be predicted; the rest goes where it fits, so that sums stay equal.
    spare = base.labelled.sum(1) - right.sum(1)
    predicted = right.copy()
    predicted[:, 0] += spare
    return Counts(base.image_ids, right, predicted, base.labelled)


def three() -> list[Record]:
    return [
        example_record("san/vit-b16", counts=better(1, 0.9)),
        example_record("deop/r101c-vit-b16", counts=better(2, 0.5)),
        example_record("simseg/r101c", counts=better(3, 0.1)),
    ]


def test_differences_are_those_of_the_metrics_room_and_corrected_over_all_pairs() -> None:
    records = three()
    found = compare(records)
    assert [(c.first.label[:3], c.second.label[:3]) for c in found] == [
        ("san", "deo"),
        ("san", "sim"),
        ("deo", "sim"),
    ]
    alone = [
        paired_differences(c.first.counts, c.second.counts, seen_mask(records[0]), "union") for c in found
    ]
    for metric in COMPARED:
        assert [c.differences[metric] for c in found] == [each[metric] for each in alone]
        p = holm({str(i): each[metric].p_value for i, each in enumerate(alone)})
        assert [c.corrected[metric] for c in found] == list(p.values())
    assert found[1].corrected["miou"] >= found[1].differences["miou"].p_value


def test_many_pairs_get_the_draws_that_their_correction_needs() -> None:
    assert enough_replicates(1) == 2000
    for pairs in (28, 66, 400):
        assert pairs * 2 / (enough_replicates(pairs) + 1) < 0.05
    records = [example_record(f"m{i}/v", counts=better(i, 0.1 + 0.07 * i)) for i in range(12)]
    found = compare(records)
    assert len(found) == 66
    assert compare_dict(found, 0)["replicates"] == 66 * 80
    assert found[10].corrected["miou"] < 0.05  # the worst against the best


def test_images_won_and_lost_against_a_loop() -> None:
    first, second = three()[:2]
    (found,) = compare([first, second])
    assert len(found.images) == IMAGES
    gaps = [row.difference for row in found.images]
    assert gaps == sorted(gaps, reverse=True)
    whole = found.differences["miou"].value
    for row in found.images:
        numbers = []
        for record in (first, second):
            i = record.counts.image_ids.index(row.image_id)
            union = record.counts.predicted[i] + record.counts.labelled[i] - record.counts.intersection[i]
            iou = [record.counts.intersection[i, k] / union[k] for k in range(20) if union[k]]
            others = record.counts.select([name for name in record.counts.image_ids if name != row.image_id])
            numbers.append((np.mean(iou), accuracy(others, seen_mask(record), "union").miou))
        assert (row.first, row.second) == pytest.approx((numbers[0][0], numbers[1][0]))
        assert row.pull == pytest.approx(whole - (numbers[0][1] - numbers[1][1]))


def test_image_miou_of_an_image_without_labels_does_not_exist() -> None:
    none = np.zeros((1, 3), np.int64)
    assert np.isnan(image_miou(Counts(("a",), none, none, none))[0])


def test_the_order_of_images_does_not_matter() -> None:
    first, second = three()[:2]
    assert second.counts is not None
    shuffled = replace(second, counts=second.counts.select(second.counts.image_ids[::-1]), id="")
    assert compare([first, second])[0].differences == compare([first, shuffled])[0].differences


def test_latency_only_within_one_run() -> None:
    first = example_record("san/vit-b16", cost={"latency": example_latency(0, 2.0)})
    second = example_record("deop/tiny", cost={"latency": example_latency(1)})
    assert compare([first, second])[0].slowdown.value == pytest.approx(2, rel=0.1)
    other = example_record("lseg/tiny", cost={"latency": example_latency(1, run_id="another")})
    assert compare([first, other])[0].slowdown is None
    far = example_record("spnet/tiny", environment={"machine": "elsewhere"}, cost=other.cost)
    notes = " ".join(compare_tables(compare([first, far]), 0)[0].notes)
    assert "different machines" in notes


def changed(**fields: object) -> Record:
    record = example_record("deop/tiny")
    return replace(record, id="", **fields)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (changed(protocol=named("paper", DATASET, "bf16", 2, "cpu").as_dict()), "precision: fp32 / bf16"),
        (changed(dataset={**example_record().dataset, "name": "shapes"}), "dataset: voc / shapes"),
        (changed(dataset={**example_record().dataset, "used_identity": "i:3", "coverage": "3 of 9"}), "images: "),
        (changed(dataset={**example_record().dataset, "seen": [True] * 20}), "other seen classes"),
        (changed(counts=None), "has no accuracy"),
        (example_record("san/vit-b16"), "named twice"),
        (changed(counts=example_counts(5)), "other ground-truth pixels"),
    ],
    ids=["precision", "dataset", "images", "split", "no counts", "twice", "ground truth"],
)  # fmt: skip
def test_what_is_not_comparable_is_refused_by_name(other: Record, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compare([example_record("san/vit-b16"), other])


def test_tables_and_plain_data_agree() -> None:
    found = compare(three())
    tables = compare_tables(found, 2)
    assert len(tables) == 4
    assert "Holm-corrected over 3 pairs" in tables[0].notes[0]
    plain = compare_dict(found, 2)["comparisons"][0]
    assert f"{plain['differences']['miou']['points']:+.2f}" in tables[0].rows[0][1].text
    assert len(plain["won"]) <= 2
    assert plain["won"][0]["image"] == tables[1].rows[0][1].text


class TestChoice:
    """Which records a name means."""

    def store(self, folder: Path, *records: Record) -> RecordStore:
        store = RecordStore(folder)
        for record in records:
            store.write(record)
        return store

    def test_methods_by_name_take_the_newest_measured_alike(self, tmp_path: Path) -> None:
        older = example_record("san/vit-b16", seed=1, counts=better(1, 0.2))
        newer = example_record("san/vit-b16", seed=2, counts=better(1, 0.3))
        store = self.store(tmp_path, older, newer, example_record("deop/tiny"))
        choice = choose_records(["san", "deop/tiny"], store)
        assert choice.records[0].id == newer.id
        assert "newest of 2" in choice.notes[0]

    def test_ids_and_paths(self, tmp_path: Path) -> None:
        first, second = example_record("san/vit-b16"), example_record("deop/tiny")
        store = self.store(tmp_path, first, second)
        assert choose_records([first.id[:6], second.id], store).records == [first, second]
        paths = [str(store.path_of(record)) for record in (first, second)]
        assert choose_records(paths, RecordStore(tmp_path / "nowhere")).records == [first, second]

    def test_two_common_groups_must_be_told_apart(self, tmp_path: Path) -> None:
        both = [example_record(label) for label in ("san/vit-b16", "deop/tiny")]
        again = [replace(r, dataset={**r.dataset, "name": "shapes", "coverage": "all"}, id="") for r in both]
        store = self.store(tmp_path, *both, *again)
        with pytest.raises(UsageError, match="2 ways"):
            choose_records(["san", "deop"], store)
        assert choose_records(["san", "deop"], store, dataset="voc").records == both

    def test_never_measured_alike(self, tmp_path: Path) -> None:
        matched = {**example_record().protocol, "name": "matched", "fingerprint": "f" * 16}
        extra = example_record("deop/tiny", dataset={**example_record().dataset, "name": "shapes"})
        store = self.store(
            tmp_path, example_record("san/vit-b16"), example_record("deop/tiny", protocol=matched), extra
        )
        with pytest.raises(UsageError, match=r"never measured alike.*name: paper / matched"):
            choose_records(["san", "deop"], store)

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["san", "lseg/tiny"], "no record of 'lseg/tiny'"),
            (["san", "zzz"], "record 'zzz': none fits"),
            (["san", "bridge"], "bridge/b, bridge/tiny"),
        ],
    )
    def test_names_that_fit_nothing_or_too_much(self, tmp_path: Path, names: list[str], words: str) -> None:
        store = self.store(tmp_path, *[example_record(n) for n in ("san/vit-b16", "bridge/b", "bridge/tiny")])
        with pytest.raises(UsageError, match=words):
            choose_records(names, store)
