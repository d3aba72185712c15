"""The gate's judging on made-up rounds: how often identical code is called slower, and a slower stage is not."""

from __future__ import annotations

import math
from statistics import NormalDist, mean, stdev

import numpy as np
import pytest

from benchbed.gate.against import CONFIRM_ROUNDS
from benchbed.gate.finding import Finding, Outcome, Verdict, accept
from benchbed.gate.judging import dismissed, limits, speed_findings, suspected, unclear, wait_finding
from benchbed.gate.pair import EPOCH_ROUNDS
from benchbed.gate.samples import MethodSamples, PartSamples, quickest
from benchbed.gate.statistics import LEAST_ROUNDS, paired_shift, unpaired_shift
from benchbed.report.gate_tables import gate_tables

LIMIT = limits(0.03, 0.10)
STAGES = {"": 30.0, "backbone": 12.0, "clip_image": 14.0, "label_map": 1.5, "proposals": 2.0}


def rounds(
    draw: np.random.Generator, slower: dict[str, float], count: int, noise: float = 0.05
) -> MethodSamples:
    """A method's rounds on a loaded machine: each side is disturbed by itself, one round in ten badly; every epoch has a bias of
    its own, of 1 %."""
    found = MethodSamples(waits={"before": 0, "after": 0})
    for part, ms in STAGES.items():
        epoch = np.arange(count) // EPOCH_ROUNDS
        bias = draw.normal(0, 0.01, epoch.max() + 1)[epoch]
        wild = np.where(draw.random((2, count)) < 0.1, draw.exponential(0.5, (2, count)), 0.0)
        before, after = ms * np.exp(draw.normal(0, noise / math.sqrt(2), (2, count)) + wild)
        after = after * np.exp(bias) * (1 + slower.get(part, 0.0))
        found.parts[part] = PartSamples(before.tolist(), after.tolist(), epoch.tolist())
    return found


def gate_of(
    draw: np.random.Generator, slower: dict[str, float], noise: float = 0.05, screening: int = EPOCH_ROUNDS
) -> list[Finding]:
    """Screening, and confirming where something is suspected, of one method."""
    screened = rounds(draw, slower, screening, noise)
    suspects = suspected(screened, LIMIT)
    fresh = rounds(draw, slower, CONFIRM_ROUNDS, noise) if suspects else None
    return speed_findings("m/tiny", screened, fresh, len(suspects), LIMIT)


@pytest.mark.parametrize(("noise", "screening"), [(0.05, EPOCH_ROUNDS), (0.15, 2 * EPOCH_ROUNDS)])
def test_identical_code_is_called_slower_in_at_most_one_of_a_hundred_gates(
    noise: float, screening: int
) -> None:
    draw = np.random.default_rng(0)
    gates = [[gate_of(draw, {}, noise, screening) for _ in range(8)] for _ in range(100)]
    alarms = sum(any(f.outcome is Outcome.REGRESSED for found in each for f in found) for each in gates)
    assert alarms <= 1


@pytest.mark.parametrize("stage", ["backbone", "label_map"])
def test_a_tenth_more_in_one_stage_is_found_and_named(stage: str) -> None:
    draw = np.random.default_rng(1)
    named = 0
    for _ in range(200):
        slow = [f.part for f in gate_of(draw, {stage: 0.10}) if f.outcome is Outcome.REGRESSED]
        named += stage in slow
    assert named >= 190


def test_at_three_times_the_noise_it_is_still_found_mostly_and_never_taken_for_clear() -> None:
    draw = np.random.default_rng(13)
    found = [
        next(
            f.outcome
            for f in gate_of(draw, {"backbone": 0.10}, 0.15, 2 * EPOCH_ROUNDS)
            if f.part == "backbone"
        )
        for _ in range(200)
    ]
    assert found.count(Outcome.REGRESSED) >= 140
    assert found.count(Outcome.PASS) <= 16  # 5 of 100 by design, and twice the binomial's deviation


def test_what_new_rounds_clear_ends_the_confirming_and_what_they_do_not_goes_on() -> None:
    draw = np.random.default_rng(14)
    assert dismissed(rounds(draw, {}, 96, noise=0.03), ["backbone"], LIMIT)
    assert not dismissed(rounds(draw, {"backbone": 0.1}, 96, noise=0.03), ["backbone"], LIMIT)
    assert not dismissed(rounds(draw, {}, LEAST_ROUNDS - 1), ["backbone"], LIMIT)


def test_a_slow_down_below_the_margin_is_let_pass() -> None:
    draw = np.random.default_rng(2)
    found = [f for _ in range(100) for f in gate_of(draw, {"backbone": 0.02}) if f.part == "backbone"]
    assert sum(f.outcome is Outcome.REGRESSED for f in found) <= 1


def test_too_much_noise_is_inconclusive_and_says_what_would_have_been_seen() -> None:
    samples = rounds(np.random.default_rng(3), {}, 10, noise=0.6)
    found = speed_findings("m/tiny", samples, None, 0, LIMIT)
    assert {f.outcome for f in found} == {Outcome.INCONCLUSIVE}
    assert all(f.smallest is not None and f.smallest > 0.10 for f in found)


def test_a_verdict_names_no_smallest_effect_but_what_it_excludes() -> None:
    """By the rounds of screening alone a tenth would not be seen for sure; but what seems slower is measured anew."""
    found = gate_of(np.random.default_rng(15), {"backbone": 0.2})
    assert {f.outcome for f in found} == {Outcome.PASS, Outcome.REGRESSED}
    assert all(f.smallest is None for f in found)
    assert all(f.high is not None and f.high < 0.10 for f in found if f.outcome is Outcome.PASS)
    verdict = Verdict("before", "after", 0.03, 0.10, found)
    assert verdict.as_dict()["smallest_effect"] is None
    table = next(each for each in gate_tables(verdict) if "passed" in each.columns)
    assert "largest slow-down not excluded" in table.columns
    assert not any("would have been seen" in note for note in table.notes)


def test_the_smallest_effect_is_one_that_would_be_seen() -> None:
    """Slow a stage by what the gate says it would see: the bound exceeds the margin about 95 times of 100."""
    draw = np.random.default_rng(4)
    seen = 0
    for _ in range(400):
        noise = draw.normal(0, 0.05, 40)
        shift = paired_shift(noise.tolist())
        slowed = paired_shift((draw.normal(0, 0.05, 40) + shift.visible(LIMIT.margin, 0.99, 0.95)).tolist())
        seen += slowed.low(0.99) > LIMIT.margin
    assert 0.85 <= seen / 400 <= 0.99  # the noise is not the same in the next 40 rounds


def test_a_suspect_that_was_not_measured_anew_is_no_verdict() -> None:
    samples = rounds(np.random.default_rng(5), {"backbone": 0.5}, 24)
    found = {f.part: f for f in speed_findings("m/tiny", samples, None, 1, LIMIT)}
    assert found["backbone"].outcome is Outcome.INCONCLUSIVE
    assert "seems slower" in found["backbone"].why
    once = rounds(np.random.default_rng(6), {"backbone": 0.5}, LEAST_ROUNDS - 1)
    again = {f.part: f for f in speed_findings("m/tiny", samples, once, 1, LIMIT)}
    assert again["backbone"].outcome is Outcome.INCONCLUSIVE


def test_one_epoch_that_disagrees_is_no_regression() -> None:
    """What shows in one pair of processes and not in the next is where pages lie, not the code."""
    screened = rounds(np.random.default_rng(7), {"backbone": 0.2}, 24)
    fresh = rounds(np.random.default_rng(8), {"backbone": 0.2}, CONFIRM_ROUNDS)
    part = fresh.parts["backbone"]
    part.after_ms[:EPOCH_ROUNDS] = part.before_ms[:EPOCH_ROUNDS]
    found = {f.part: f.outcome for f in speed_findings("m/tiny", screened, fresh, 1, LIMIT)}
    assert found["backbone"] is not Outcome.REGRESSED


def test_short_stages_count_in_the_whole_alone() -> None:
    samples = rounds(np.random.default_rng(9), {}, 24)
    ones = [1.0] * 24
    samples.parts["preprocess"] = PartSamples([0.2] * 24, [0.4] * 24, [0] * 24)
    samples.parts["classify"] = PartSamples(ones, ones, [0] * 24)
    parts = {f.part for f in speed_findings("m/tiny", samples, None, 0, LIMIT)}
    assert parts == {*STAGES, "classify"}


def test_few_rounds_leave_everything_open() -> None:
    few = rounds(np.random.default_rng(10), {}, LEAST_ROUNDS - 1)
    assert unclear(few, LIMIT)
    assert unclear(MethodSamples(), LIMIT)
    assert not unclear(rounds(np.random.default_rng(11), {}, 60, noise=0.01), LIMIT)


def test_a_trimmed_mean_against_one_by_hand() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 9.0]
    kept, clipped = values[2:8], [0.3, 0.3, *values[2:8], 0.8, 0.8]
    shift = paired_shift(list(reversed(values)))
    assert shift.value == pytest.approx(mean(kept))
    assert shift.error == pytest.approx(stdev(clipped) / (0.6 * math.sqrt(10)))
    assert shift.freedom == 5
    many = paired_shift([value for value in values for _ in range(1000)])
    assert many.low(0.95) == pytest.approx(many.value - NormalDist().inv_cdf(0.95) * many.error, rel=1e-3)


def test_unpaired_bounds_hold_as_often_as_they_say() -> None:
    draw = np.random.default_rng(12)
    inside = 0
    for _ in range(500):
        before, after = draw.normal(1.0, 0.05, 30), draw.normal(1.1, 0.10, 20)
        shift = unpaired_shift(before.tolist(), after.tolist())
        inside += shift.low(0.95) < 0.1 < shift.high(0.95)
    assert 0.86 <= inside / 500 <= 0.94


def test_the_quickest_call_of_each_part() -> None:
    found = quickest([{"a": 3_000_000, "unaccounted": 1_000_000}, {"a": 2_000_000, "unaccounted": 4_000_000}])
    assert found == {"a": 2.0, "unaccounted": 1.0, "": 4.0}


def test_waits() -> None:
    assert wait_finding("m", None, 1, 8) is None
    assert wait_finding("m", 0, 2, LEAST_ROUNDS - 1) is None
    same, more = wait_finding("m", 1, 1, 8), wait_finding("m", 0, 2, 8)
    assert same is not None
    assert more is not None
    assert (same.outcome, more.outcome) == (Outcome.PASS, Outcome.REGRESSED)


def test_a_stage_of_one_tree_alone_has_no_ratio_and_is_kept_in_mind() -> None:
    samples = MethodSamples()
    before = {"ledgers": [{"backbone": 2_000_000, "crops": 1_000_000}], "waits": 0}
    after = {"ledgers": [{"backbone": 3_000_000}], "waits": 1}
    samples.add(before, after, epoch=1)
    assert samples.one_sided == {"crops"}
    assert set(samples.parts) == {"", "backbone"}
    assert samples.parts[""].log_ratios() == [0.0]
    assert samples.parts["backbone"].log_ratios() == pytest.approx([math.log(1.5)])
    assert samples.waits == {"before": 0, "after": 1}


def test_one_outcome_of_many() -> None:
    def verdict(*outcomes: Outcome) -> Verdict:
        return Verdict("a", "b", 0.03, 0.1, [Finding("m", "latency", "", each) for each in outcomes])

    codes = {
        (): 7,
        (Outcome.PASS,): 0,
        (Outcome.PASS, Outcome.INCONCLUSIVE): 6,
        (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.REGRESSED): 5,
    }
    for outcomes, code in codes.items():
        assert verdict(*outcomes).exit_code == code
    slower = verdict(Outcome.REGRESSED).findings
    assert accept(slower, ["latency"])[0].outcome is Outcome.PASS
    assert accept(slower, ["flops"]) == slower


def test_a_stage_of_a_few_calls_counts_in_the_whole_alone() -> None:
    """Text that is encoded in the first call of each worker has too few rounds to be judged by itself, whatever it takes."""
    samples = rounds(np.random.default_rng(15), {}, 24)
    samples.parts["clip_text"] = PartSamples([50.0] * 3, [50.0] * 3, [0, 1, 2])
    assert "clip_text" not in samples.long_enough(0.5, 0.02)
    assert set(samples.long_enough(0.5, 0.02)) == set(STAGES)
