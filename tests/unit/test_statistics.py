"""Intervals that hold the truth as often as they say, on samples whose truth is known."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from benchbed.cost.statistics import Estimate, median_interval, paired_ratio, percentiles, throughput


def noisy(seed: int, scale: float, rounds: int = 25) -> tuple[list[float], list[float]]:
    """Two subjects timed in the same rounds: one drift, own jitter; the first takes `scale` times as long, and is
    interrupted now and then."""
    random = np.random.default_rng(seed)
    drift = np.exp(np.cumsum(random.normal(0, 0.05, rounds)))
    a, b = (drift * random.lognormal(0, 0.03, rounds) for _ in range(2))
    a[random.random(rounds) < 0.05] *= 3
    return (100 * scale * a).tolist(), (100 * b).tolist()


def test_median_and_its_interval_on_a_known_list() -> None:
    estimate = median_interval([5.0, 1.0, 3.0, 2.0, 4.0])
    assert estimate.value == 3.0
    assert estimate.low == 1.0
    assert estimate.high == 5.0
    assert estimate.samples == 5


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for seed in range(300):
        estimate = median_interval(random.lognormal(0, 0.5, 31).tolist(), replicates=400, seed=seed)
        covered += estimate.low <= 1.0 <= estimate.high
    assert 0.90 <= covered / 300 <= 0.99


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_the_ratio_covers_the_truth(scale: float) -> None:
    estimates = [paired_ratio(*noisy(seed, scale)) for seed in range(300)]
    covered = sum(each.low <= scale <= each.high for each in estimates)
    assert 0.90 <= covered / 300 <= 0.99
    assert all(each.low <= each.value <= each.high for each in estimates)


def test_pairs_are_far_tighter_than_two_medians() -> None:
    spread_of_pairs, spread_of_medians = [], []
    for seed in range(30):
        a, b = noisy(seed, 1.0)
        spread_of_pairs.append(abs(math.log(paired_ratio(a, b, replicates=50).value)))
        half = len(a) // 2
        spread_of_medians.append(abs(math.log(np.median(a[:half]) / np.median(b[half:]))))
    assert np.mean(spread_of_pairs) < 0.3 * np.mean(spread_of_medians)


def test_a_against_itself_is_one_and_against_its_double_is_a_half() -> None:
    a, _ = noisy(3, 1.0)
    assert paired_ratio(a, a) == Estimate(1.0, 1.0, 1.0, 25)
    assert paired_ratio(a, [2 * each for each in a]).value == 0.5


def test_one_interruption_moves_nothing_much() -> None:
    samples = [100.0 + i / 10 for i in range(21)]
    assert median_interval([*samples[:-1], 1e6]).value == median_interval(samples).value


def test_more_samples_narrow_and_more_confidence_widens() -> None:
    random = np.random.default_rng(2)
    samples = random.lognormal(0, 0.3, 400).tolist()

    def width(estimate: Estimate) -> float:
        return estimate.high - estimate.low

    assert width(median_interval(samples)) < width(median_interval(samples[:40]))
    assert width(median_interval(samples, confidence=0.99)) > width(median_interval(samples, confidence=0.8))


def test_the_same_samples_give_the_same_interval_in_pieces_or_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchbed.cost import statistics

    samples = np.random.default_rng(5).lognormal(0, 0.3, 50).tolist()
    whole = median_interval(samples)
    assert median_interval(samples) == whole
    monkeypatch.setattr(statistics, "_CHUNK", 50 * 7)
    assert median_interval(samples) == whole


def test_one_sample_says_nothing_of_others() -> None:
    assert median_interval([3.0]) == Estimate(3.0, 0.0, math.inf, 1)
    assert throughput([4.0]) == Estimate(250.0, 0.0, math.inf, 1)
    content = json.dumps(median_interval([3.0]).as_dict(), allow_nan=False)
    assert json.loads(content) == {"value": 3.0, "low": 0.0, "high": None, "n": 1, "confidence": 0.95}


def test_throughput_is_the_latency_turned_over() -> None:
    samples = [10.0, 12.0, 8.0, 11.0, 9.0]
    latency, rate = median_interval(samples), throughput(samples, images=4)
    assert rate.value == 4000 / latency.value
    assert (rate.low, rate.high) == (4000 / latency.high, 4000 / latency.low)


def test_percentiles() -> None:
    found = percentiles([float(i) for i in range(1, 102)])
    assert found == pytest.approx({"p50": 51.0, "p90": 91.0, "p99": 100.0})


@pytest.mark.parametrize("bad", [[], [1.0, 0.0], [1.0, -2.0], [1.0, math.nan], [math.inf]])
def test_what_is_no_time_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least one sample|positive and finite"):
        median_interval(bad)


def test_lists_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="2 of one, 3 of the other"):
        paired_ratio([1.0, 2.0], [1.0, 2.0, 3.0])


def test_torch_is_not_needed() -> None:
    code = "import sys, benchbed.cost.statistics as s; s.paired_ratio([1, 2], [2, 3]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
