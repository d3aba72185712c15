"""Verdicts about time from made-up records whose right answer is known by hand, and verdicts as a whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from example_claim import ONE, TWO, judged, speed
from example_cost import example_cost
from example_record import example_latency, example_record

from benchbed.claims.claim import Conditions, Pair
from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Finding
from benchbed.claims.reading import named_claims
from benchbed.claims.verdict import decide, overall
from benchbed.cost.noise_floor import noise_floor


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

    def test_it_is_widened_to_the_end_of_the_interval_of_that_test(self) -> None:
        """Identical work 3 % apart for sure, 14 % at most: 14 % may be the truth of these rounds too."""
        record = example_cost({"one/a": ONE, "two/a": TWO})
        second = [100.0] * 10
        first = [101.0, 101.0, 102.0, 102.0, 103.0, 103.0, 112.0, 113.0, 114.0, 114.0]
        drifting = replace(record, null={**record.null, "first_ms": first, "second_ms": second}, id="")
        plain, wide = judged(speed(), record), judged(speed(), drifting)
        assert plain.span is not None
        assert wide.span is not None
        widened = 1 - wide.span[0] / plain.span[0]
        assert widened == pytest.approx(noise_floor(first, second).smallest_effect)
        assert 0.1 < widened <= 0.14

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
            latency["total_ms"] = latency["total_ms"][:7]
        records = tuple(
            example_record(n, cost={"latency": t}) for n, t in zip(("one/a", "two/a"), latencies, strict=True)
        )
        verdict = judged(speed(conditions=Conditions()), records=records)
        assert "7 rounds, not 8 or more" in verdict.not_used[0]

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


def test_a_verdict_as_plain_data_is_strict_json() -> None:
    for claim in named_claims([]):
        for verdict in decide(claim, Evidence()):
            json.dumps(verdict.as_dict(), allow_nan=False)
    plain = judged(speed(4, math.inf), example_cost({"one/a": ONE, "two/a": TWO})).as_dict()
    assert plain["claimed_span"] == [4.0, None]
    assert plain["verdict"] == "supported"
    assert plain["pairs"][0]["measured"]["stages_ms"]["two/a"]["clip_image"] > 0
