"""Verdicts from made-up records whose right answer is known by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_cost import example_cost
from example_record import example_latency, example_record

from benchbed.claims.claim import Claim, Conditions, Pair, Paper, Sweep
from benchbed.claims.evidence import Evidence, read_evidence
from benchbed.claims.outcome import Finding, Verdict
from benchbed.claims.plan import CostPlan, TrialPlan, plan
from benchbed.claims.reading import named_claims
from benchbed.claims.trials import Trial, write_trial
from benchbed.claims.verdict import decide, overall
from benchbed.cost_records import write_cost_record
from benchbed.errors import UsageError
from benchbed.metrics import Counts
from benchbed.record_store import RecordStore
from benchbed.records import Record

ONE = (400.0, 0.0)  # a single-pass method: ms whatever the number of proposals
TWO = (400.0, 20.0)  # a crop-based one: 6 times as slow at 100 proposals, 4 times at 60, 7 times at 120
PAPER = Paper("one", "A Paper", "CVPR", 2023, "")


def speed(low: float = 4.0, high: float = 7.0, **changes: object) -> Claim:
    claim = Claim(
        name="speed",
        paper=PAPER,
        sentence="4 to 7 times faster",
        source="abstract",
        metric="latency",
        low=low,
        high=high,
        pairs=(Pair("one/a", "two/a"),),
        conditions=Conditions(protocol="matched", size=(640, 853), classes=171, proposals=100, batch=1),
        sweep=Sweep("proposals", (1, 10, 40, 100)),
    )
    return replace(claim, **changes)


def judged(claim: Claim, *costs: object, records: tuple[Record, ...] = ()) -> Verdict:
    (verdict,) = decide(claim, Evidence(records=records, costs=tuple(costs)))
    return verdict


class TestTime:
    """Claims about latency."""

    @pytest.mark.parametrize(
        ("low", "high", "expected", "words"),
        [
            (4, 7, "supported", "inside the claimed 4 to 7 x"),
            (7, 9, "refuted", "below the claimed"),
            (2, 4, "refuted", "more than the claimed"),
            (6, 9, "undecided", "reaches across an end"),
            (4, math.inf, "supported", "inside the claimed more than 4 x"),
        ],
    )
    def test_where_the_measured_interval_lies(
        self, low: float, high: float, expected: str, words: str
    ) -> None:
        verdict = judged(speed(low, high), example_cost({"one/a": ONE, "two/a": TWO}))
        assert verdict.decision == expected
        assert words in verdict.reason
        assert verdict.span is not None
        assert verdict.span[0] < 6.0 < verdict.span[1]

    def test_where_it_flips_is_where_the_lines_cross(self) -> None:
        verdict = judged(speed(), example_cost({"one/a": ONE, "two/a": TWO}, noise=0.002))
        lower, upper, laws = verdict.flips
        # (400 + 20 n) / 400 = 4 at n = 60, = 7 at n = 120, beyond what was measured.
        assert (
            "4x is reached from 60 proposals up [" in lower or "4x is reached from 61 proposals up [" in lower
        )
        assert "7x is reached from 1" in upper
        assert "extrapolated: 1 to 100 were measured" in upper
        assert "ms = 400" in laws.replace("399.", "400").replace("400.", "400")

    def test_an_end_that_is_never_reached(self) -> None:
        # Both grow alike: 2 times from the first proposal to the last.
        verdict = judged(speed(), example_cost({"one/a": (200.0, 10.0), "two/a": TWO}, noise=0.002))
        assert verdict.decision == "refuted"
        assert "4x is reached at no number of proposals up to 1,000 (2.00x there)" in verdict.flips[0]

    def test_a_ratio_that_falls_is_reached_downwards(self) -> None:
        # (4000 + n) / (400 + 20 n): 10 times at none, 1.7 times at 100, 4 times at 30.4.
        verdict = judged(speed(), example_cost({"one/a": TWO, "two/a": (4000.0, 1.0)}, noise=0.002))
        assert "4x is reached from 30 proposals down" in verdict.flips[0]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"classes": 20}, "classes 171, not 20"),
            ({"protocol": "paper"}, "protocol matched, not paper"),
            ({"size": (480, 640)}, "size 640x853, not 480x640"),
            ({"batch": 8}, "batch 1, not 8"),
            ({"proposals": 50}, "proposals 100, not 50"),
            ({"hardware": "cuda"}, "hardware cpu, not cuda"),
        ],
    )
    def test_conditions_that_are_not_met_are_named(self, changes: dict[str, object], words: str) -> None:
        claim = speed(conditions=replace(speed().conditions, **changes))
        verdict = judged(claim, example_cost({"one/a": ONE, "two/a": TWO}))
        assert verdict.decision == "undecided"
        assert any(words in sentence for sentence in verdict.not_used)
        assert verdict.next_step == "benchbed claims speed measures it"

    def test_another_precision_is_not_taken_for_the_one_claimed(self) -> None:
        claim = speed(conditions=replace(speed().conditions, precision="bf16"))
        assert judged(claim, example_cost({"one/a": ONE, "two/a": TWO})).span is None

    def test_proposals_are_those_claimed_where_they_were_swept(self) -> None:
        claim = speed(conditions=replace(speed().conditions, proposals=40))
        verdict = judged(claim, example_cost({"one/a": ONE, "two/a": TWO}, noise=0.002))
        assert verdict.findings[0].measured is not None
        assert verdict.findings[0].measured.value == pytest.approx(3, rel=0.01)  # (400 + 800) / 400
        assert verdict.decision == "refuted"

    def test_identical_work_told_apart_widens_the_interval(self) -> None:
        plain = judged(speed(), example_cost({"one/a": ONE, "two/a": TWO}))
        noisy = judged(speed(), example_cost({"one/a": ONE, "two/a": TWO}, floor=0.3))
        assert plain.span is not None
        assert noisy.span is not None
        assert noisy.span[0] == pytest.approx(plain.span[0] * 0.7)
        assert noisy.span[1] == pytest.approx(plain.span[1] * 1.3)
        assert (plain.decision, noisy.decision) == ("supported", "undecided")
        assert noisy.findings[0].measured is not None
        assert "widened by 30.0%" in noisy.findings[0].measured.notes[-1]

    def test_the_newest_fitting_run_counts(self) -> None:
        old = example_cost({"one/a": ONE, "two/a": TWO})
        new = example_cost({"one/a": ONE, "two/a": (400.0, 2.0)}, created="2026-11-22T10:00:00+00:00")
        assert judged(speed(), old, new).decision == "refuted"
        assert judged(speed(), old, new).records == (new.id,)

    def test_each_kind_of_hardware_has_its_verdict(self) -> None:
        on_cpu = example_cost({"one/a": ONE, "two/a": TWO})
        on_gpu = example_cost({"one/a": ONE, "two/a": (400.0, 2.0)}, device="cuda:0")
        gpu, cpu = decide(speed(), Evidence(costs=(on_cpu, on_gpu)))
        assert (gpu.hardware, gpu.decision) == ("A Card", "refuted")
        assert (cpu.hardware, cpu.decision) == ("A Processor, 2 threads", "supported")

    def test_times_of_different_runs_are_never_divided(self) -> None:
        first = example_record("one/a", cost={"latency": example_latency(0)})
        other = example_record("two/a", cost={"latency": example_latency(1, 5.0, run_id="another")})
        verdict = judged(speed(conditions=Conditions()), records=(first, other))
        assert verdict.span is None

    def test_records_of_one_run_will_do(self) -> None:
        first = example_record("one/a", cost={"latency": example_latency(0)})
        other = example_record("two/a", cost={"latency": example_latency(1, 5.0)})
        verdict = judged(speed(conditions=Conditions(protocol="paper")), records=(first, other))
        assert verdict.decision == "supported"
        assert set(verdict.records) == {first.id, other.id}
        assert verdict.findings[0].measured.stages[0][0] == "one/a"
        elsewhere = speed(conditions=Conditions(dataset="coco-stuff"))
        assert "dataset voc, not coco-stuff" in judged(elsewhere, records=(first, other)).not_used[0]

    def test_too_few_rounds_decide_nothing(self) -> None:
        latencies = [example_latency(seed, scale) for seed, scale in ((0, 1.0), (1, 5.0))]
        for latency in latencies:
            latency["total_ms"] = latency["total_ms"][:3]
        records = tuple(
            example_record(n, cost={"latency": t}) for n, t in zip(("one/a", "two/a"), latencies, strict=True)
        )
        verdict = judged(speed(conditions=Conditions()), records=records)
        assert "3 rounds, not 4 or more" in verdict.not_used[0]

    def test_a_method_without_proposals_against_one_with(self) -> None:
        record = example_cost({"one/a": ONE, "two/a": TWO}, noise=0.002)
        subjects = {**record.subjects, "one/a": {**record.subjects["one/a"], "proposals": None}}
        points = [p for p in record.points if p.subject == "two/a"]
        flat = [p for p in record.points if p.subject == "one/a" and p.conditions.proposals == 100]
        alone = [replace(p, conditions=p.conditions.at("proposals", None)) for p in flat]
        verdict = judged(speed(), replace(record, subjects=subjects, points=(*points, *alone), id=""))
        assert verdict.decision == "supported"
        assert "4x is reached from 6" in verdict.flips[0]


class TestOverall:
    """From pairs to the claim."""

    def decided(self, over: str, *decisions: str) -> str:
        claim = speed(over=over)
        return overall(claim, [Finding(Pair("a/b", "c/d"), each, "") for each in decisions])  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("over", "decisions", "expected"),
        [
            ("every", ("supported", "supported"), "supported"),
            ("every", ("supported", "undecided"), "undecided"),
            ("every", ("undecided", "refuted"), "refuted"),
            ("some", ("refuted", "supported", "undecided"), "supported"),
            ("some", ("refuted", "undecided"), "undecided"),
            ("some", ("refuted", "refuted"), "refuted"),
        ],
    )
    def test_every_and_some(self, over: str, decisions: tuple[str, ...], expected: str) -> None:
        assert self.decided(over, *decisions) == expected


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


def better(base: Counts, share: float) -> Counts:
    right = base.intersection + ((base.labelled - base.intersection) * share).astype(np.int64)
    predicted = right.copy()
    predicted[:, 0] += base.labelled.sum(1) - right.sum(1)
    return Counts(base.image_ids, right, predicted, base.labelled)


def trained(label: str, share: float, name: str = "coco-stuff", images: int = 12) -> Record:
    """A record with trained weights on a made-up part of a data set of twenty classes."""
    draw = np.random.default_rng(3)
    labelled = draw.integers(50, 100, (images, 20))
    counts = Counts(tuple(f"i{n}" for n in range(images)), labelled // 4, labelled, labelled)
    blank = example_record(label)
    weights = {"kind": "file", "file": "w.pth", "note": "", "seed": None, "sha256": "1" * 64}
    return example_record(
        label,
        counts=better(counts, share),
        method={**blank.method, "weights": weights},
        dataset={**blank.dataset, "name": name, "images": images, "used_identity": f"{name}:{images}"},
    )


def hiou(**changes: object) -> Claim:
    claim = speed(0.0, math.inf, metric="hiou", sweep=None, name="hiou")
    return replace(claim, conditions=Conditions(dataset="coco-stuff", weights="trained"), **changes)


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


def trial(*kept: float, failed: tuple[str, ...] = ()) -> Trial:
    return Trial(
        "lseg/tiny", {"kind": "random", "note": ""}, (1, 3), 2, 1, (1, 2), kept, failed, {}, {}, "2026"
    )


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


class TestEvidence:
    """Reading folders."""

    def test_everything_is_found_once(self, tmp_path: Path) -> None:
        record, cost, tried = example_record(), example_cost({"one/a": ONE}), trial(1.0)
        for folder in (tmp_path / "a", tmp_path / "b"):
            RecordStore(folder).write(record)
            write_cost_record(folder, cost)
            write_trial(folder, tried)
        found = read_evidence([tmp_path / "a", tmp_path / "b"])
        assert [len(each) for each in (found.records, found.costs, found.trials)] == [1, 1, 1]
        assert found.trials[0] == tried

    def test_edited_torn_and_newer_files_are_named(self, tmp_path: Path) -> None:
        record_path = RecordStore(tmp_path).write(example_record())
        cost_path = write_cost_record(tmp_path, example_cost({"one/a": ONE}))
        trial_path = write_trial(tmp_path, trial(1.0))
        record_path.write_text(record_path.read_text().replace('"images": 6', '"images": 7'))
        cost_path.write_text(cost_path.read_text()[:-50])
        trial_path.write_text(trial_path.read_text().replace('"orders": 2', '"orders": 9'))
        found = read_evidence([tmp_path])
        assert (found.records, found.costs, found.trials) == ((), (), ())
        assert len(found.skipped) == 3
        assert sum("was edited after it was written" in each for each in found.skipped) == 2
        trial_path.write_text('{"kind": "benchbed label-set trial", "schema": 7}')
        assert any("trial schema 7" in each for each in read_evidence([tmp_path]).skipped)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such folder"):
            read_evidence([tmp_path / "none"])


class TestPlan:
    """What gets measured."""

    def test_claims_with_the_same_conditions_share_a_run(self) -> None:
        claims = named_claims(["deop-speed", "san-speed", "san-params", "lseg-label-sets", "deop-coco-hiou"])
        steps = plan(claims, Evidence(), "cpu", 14)
        (cost,) = [step for step in steps if isinstance(step, CostPlan)]
        assert cost.claims == ("deop-speed", "san-speed")
        assert set(cost.labels) == {"deop/r101c-vit-b16", "zegformer/r101", "simseg/r101c", "san/vit-b16"}
        assert cost.seconds < 14 * 60
        trials = [step.label for step in steps if isinstance(step, TrialPlan)]
        assert trials == ["lseg/tiny", "lseg/vitl16"]

    def test_what_is_measured_is_not_measured_again(self) -> None:
        record = example_cost({"one/a": ONE, "two/a": TWO})
        evidence = Evidence(costs=(record,))
        assert plan([speed()], evidence, "cpu", 14) == []
        assert len(plan([speed()], evidence, "cuda", 14)) == 1
        on_cpu_alone = speed(conditions=replace(speed().conditions, hardware="cpu"))
        assert plan([on_cpu_alone], Evidence(), "cuda", 14) == []


def test_a_verdict_as_plain_data_is_strict_json() -> None:
    import json

    for claim in named_claims([]):
        for verdict in decide(claim, Evidence()):
            json.dumps(verdict.as_dict(), allow_nan=False)
    plain = judged(speed(4, math.inf), example_cost({"one/a": ONE, "two/a": TWO})).as_dict()
    assert plain["claimed_span"] == [4.0, None]
    assert plain["verdict"] == "supported"
    assert plain["pairs"][0]["measured"]["stages_ms"]["two/a"]["clip_image"] > 0
