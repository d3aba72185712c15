"""Verdicts about accuracy, parameters and label sets from made-up records whose right answer is known by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_claim import hiou, judged, trained, trial
from example_record import example_record

from benchbed.claims.claim import Pair
from benchbed.claims.evidence import Evidence
from benchbed.claims.reading import named_claims
from benchbed.claims.trials import Trial
from benchbed.claims.verdict import decide
from benchbed.records import Record


class TestCounted:
    """Claims about parameters."""

    def test_san_s_trainable_parameters_from_the_cards(self) -> None:
        (verdict,) = decide(named_claims(["san-params"])[0], Evidence())
        values = [each.measured.value for each in verdict.findings if each.measured]
        assert values == pytest.approx([61_075_904 / 8_370_866, 60_287_936 / 8_370_866])
        # "Up to 18" is of an opponent that is not here, so that 7 refutes nothing.
        assert verdict.decision == "undecided"
        assert "OVSeg" in verdict.reason

    def test_records_come_before_cards(self) -> None:
        claim = replace(named_claims(["san-params"])[0], pairs=(Pair("san/vit-b16", "simseg/r101c"),))
        record = example_record("simseg/r101c", cost={"params": {"total": 1, "trainable": 8_370_866 * 20}})
        (verdict,) = decide(claim, Evidence(records=(record,)))
        assert verdict.decision == "supported"
        assert record.id in verdict.records


class TestAccuracy:
    """Claims about accuracy."""

    @pytest.mark.parametrize(
        ("ours", "theirs", "expected"),
        [(0.6, 0.3, "supported"), (0.3, 0.6, "refuted"), (0.5, 0.5, "refuted")],
    )
    def test_paired_over_the_same_images(self, ours: float, theirs: float, expected: str) -> None:
        verdict = judged(hiou(), records=(trained("one/a", ours), trained("two/a", theirs)))
        assert verdict.decision == expected
        assert "hIoU" in verdict.reason

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (trained("one/a", 0.6, "voc"), "dataset voc, not coco-stuff"),
            (example_record("one/a", dataset={**example_record().dataset, "name": "coco-stuff"}), "random weights"),
            (trained("one/a", 0.6, images=6), "6 images, not 10 or more"),
        ],
        ids=["dataset", "weights", "images"],
    )  # fmt: skip
    def test_what_does_not_count(self, record: Record, words: str) -> None:
        verdict = judged(hiou(), records=(record, trained("two/a", 0.3)))
        assert verdict.decision == "undecided"
        assert any(words in sentence for sentence in verdict.not_used)
        assert "benchbed run --methods one/a,two/a --dataset coco-stuff" in verdict.next_step

    def test_weights_that_their_card_forbids(self) -> None:
        record = trained("one/a", 0.6)
        weights = {**record.method["weights"], "not_for": {"coco-stuff": "trained on its unseen classes"}}
        barred = replace(record, method={**record.method, "weights": weights}, id="")
        verdict = judged(hiou(), records=(barred, trained("two/a", 0.3)))
        assert "trained on its unseen classes" in verdict.not_used[0]

    def test_the_embedded_dataset_only_stands_in(self) -> None:
        records = [trained(label, share) for label, share in (("one/a", 0.6), ("two/a", 0.3))]
        embedded = tuple(
            replace(r, dataset={**r.dataset, "name": "shapes", "embedded": True}, id="") for r in records
        )
        verdict = judged(hiou(stand_ins=(Pair("one/a", "two/a"),)), records=embedded)
        assert verdict.decision == "undecided"
        assert verdict.stand_ins[0].decision == "supported"

    def test_against_a_published_number(self) -> None:
        (claim,) = named_claims(["zegformer-coco"])
        record = trained("zegformer/r101", 0.5)
        (verdict,) = decide(replace(claim, low=-100, high=100), Evidence(records=(record,)))
        assert verdict.decision == "supported"
        assert "STRICT (self-training) quoted: 30.3" in verdict.reason


class TestLabelSets:
    """Claims about label sets."""

    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            (trial(1.0, 1.0, 0.9999, 1.0), "supported"),
            (trial(1.0, 0.5, 0.6, 1.0), "undecided"),
            (trial(0.4, 0.5), "refuted"),
            (trial(1.0, 1.0, failed=("3 classes: no",)), "undecided"),
        ],
    )
    def test_the_worst_order_counts(self, found: Trial, expected: str) -> None:
        claim = replace(named_claims(["lseg-label-sets"])[0], pairs=(Pair("lseg/tiny"),))
        (verdict,) = decide(claim, Evidence(trials=(found,)))
        assert verdict.decision == expected
