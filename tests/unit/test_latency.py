"""The clock's bookkeeping: order, stages, images, deadline. Structure is tested, never speed."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import asdict

import pytest

from benchbed.cost import latency
from benchbed.cost.latency import LatencySamples, measure_latency, round_image, round_order
from benchbed.cost.stage_marks import StageMarks
from benchbed.stages import stage


class Clock:
    """A clock that only moves when told to: nanoseconds."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def spend(self, ms: float) -> None:
        self.now += round(ms * 1e6)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(latency.time, "perf_counter_ns", clock)
    monkeypatch.setattr(latency.time, "monotonic", lambda: clock.now / 1e9)
    return clock


def test_rounds_alternate() -> None:
    assert [round_order(["a", "b", "c"], index) for index in range(4)] == [
        ["a", "b", "c"],
        ["c", "b", "a"],
        ["a", "b", "c"],
        ["c", "b", "a"],
    ]


def test_each_image_is_seen_in_both_orders() -> None:
    seen = {(round_image(index), tuple(round_order("ab", index))) for index in range(6)}
    assert seen == {(image, order) for image in range(3) for order in (("a", "b"), ("b", "a"))}


def test_calls_are_interleaved_after_their_warm_up() -> None:
    log: list[tuple[str, int]] = []
    calls = {name: (lambda image, name=name: log.append((name, image))) for name in "ab"}
    samples = measure_latency(calls, rounds=4, warmup=2, device="cpu")
    assert log[:2] == [("a", 0), ("b", 0)]
    assert log[2:6] == [("a", 0), ("b", 0)] * 2
    assert log[6:] == [("a", 0), ("b", 0), ("b", 0), ("a", 0), ("a", 1), ("b", 1), ("b", 1), ("a", 1)]
    assert samples["a"].image_index == samples["b"].image_index == [0, 0, 1, 1]


def nested(clock: Clock) -> Callable[[int], None]:
    def call(image: int) -> None:
        clock.spend(1)
        with stage("clip_image"):
            clock.spend(10)
            with stage("crops"):
                clock.spend(100)
            clock.spend(20)
        with stage("classify"):
            clock.spend(5)
        if image == 1:
            with stage("compose"):
                clock.spend(7)
        clock.spend(2)

    return call


def test_stage_times_are_exclusive_and_sum_to_the_total(clock: Clock) -> None:
    samples = measure_latency({"x": nested(clock)}, rounds=4, warmup=0, device="cpu")["x"]
    assert samples.total_ms == [138.0, 138.0, 145.0, 145.0]
    assert samples.stage_ms == {
        "clip_image": [30.0] * 4,
        "crops": [100.0] * 4,
        "classify": [5.0] * 4,
        "compose": [0.0, 0.0, 7.0, 7.0],
        "unaccounted": [3.0] * 4,
    }
    assert list(samples.stage_ms) == [
        "clip_image",
        "crops",
        "classify",
        "unaccounted",
        "compose",
    ]  # as first met
    assert samples.first_call_ms == 138.0
    for index, total in enumerate(samples.total_ms):
        assert sum(times[index] for times in samples.stage_ms.values()) == pytest.approx(total)


def test_a_call_without_stages_is_all_unaccounted(clock: Clock) -> None:
    samples = measure_latency({"x": lambda _: clock.spend(4)}, rounds=2, warmup=1, device="cpu")["x"]
    assert samples.stage_ms == {"unaccounted": [4.0, 4.0]}


def test_real_time_is_what_a_sleep_takes() -> None:
    samples = measure_latency({"x": lambda _: time.sleep(0.01)}, rounds=3, warmup=0, device="cpu")["x"]
    assert all(ms >= 9.9 for ms in samples.total_ms)
    assert samples.first_call_ms >= 9.9


def test_no_round_begins_that_would_end_after_the_deadline(clock: Clock) -> None:
    done: list[int] = []
    calls = {"a": lambda _: clock.spend(600), "b": lambda _: clock.spend(400)}
    samples = measure_latency(calls, 100, warmup=1, device="cpu", on_progress=done.append, deadline_s=6.5)
    # 1 s cold, 1 s of warm-up, then rounds of 1 s each: the fifth would end at 7 s.
    assert done == [1, 2, 3, 4]
    assert len(samples["a"].total_ms) == len(samples["b"].total_ms) == 4


def test_one_round_is_always_measured_and_warm_up_gives_way(clock: Clock) -> None:
    calls = {"a": lambda _: clock.spend(5000)}
    samples = measure_latency(calls, rounds=9, warmup=3, device="cpu", deadline_s=1.0)["a"]
    assert samples.total_ms == [5000.0]
    assert clock.now == 10e9


def test_the_garbage_collector_rests_during_a_sample_and_comes_back() -> None:
    states: list[bool] = []
    assert gc.isenabled()
    measure_latency({"x": lambda _: states.append(gc.isenabled())}, rounds=2, warmup=1, device="cpu")
    assert states == [False] * 4
    assert gc.isenabled()


def test_a_failing_call_raises_and_leaves_the_collector_on() -> None:
    def fail(image: int) -> None:
        with stage("backbone"):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        measure_latency({"x": fail}, rounds=1, warmup=0, device="cpu")
    assert gc.isenabled()


@pytest.mark.parametrize(("calls", "rounds"), [({}, 1), ({"x": print}, 0)])
def test_nothing_to_measure_is_an_error(calls: dict[str, Callable[[int], object]], rounds: int) -> None:
    with pytest.raises(ValueError, match="at least one call and one round"):
        measure_latency(calls, rounds, 0, "cpu")


def test_samples_are_plain(clock: Clock) -> None:
    samples = measure_latency({"x": nested(clock)}, rounds=2, warmup=0, device="cpu")["x"]
    assert LatencySamples(**json.loads(json.dumps(asdict(samples)))) == samples


def test_marks_cover_every_moment() -> None:
    ticks = iter(range(100))
    marks = StageMarks(lambda: next(ticks))
    with marks.running(), stage("backbone"), stage("crops"):
        pass
    assert list(marks.spans()) == [
        ("unaccounted", 0, 1),
        ("backbone", 1, 2),
        ("crops", 2, 3),
        ("backbone", 3, 4),
        ("unaccounted", 4, 5),
    ]
    assert marks.whole == (0, 5)


def test_cuda_is_timed_by_events_without_a_wait_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a made-up CUDA: an event's time is when it was recorded; the log shows that nothing waits inside a sample."""
    import torch

    log: list[str] = []
    clock = Clock()

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.ms = float("nan")

        def record(self, stream: object) -> None:
            log.append("event")
            self.ms = clock.now / 1e6

        def elapsed_time(self, end: Event) -> float:
            assert log[-1] == "wait"
            return end.ms - self.ms

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append("wait"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    samples = measure_latency({"x": nested(clock)}, rounds=1, warmup=0, device="cuda:0")["x"]
    assert samples.total_ms == [138.0]
    assert samples.stage_ms["crops"] == [100.0]
    one_sample = ["wait", *["event"] * 8, "wait"]
    assert log == one_sample * 2
