"""A made-up but well-formed cost record: two methods, a sweep over proposals, laws known exactly but for noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchbed.cost.conditions import Conditions
from benchbed.cost_records import CostRecord, Point

ROUNDS = 12
PLAIN = {"precision": "fp32", "compile": False, "channels_last": False}


def subject(label: str, proposals: int | None = 100, **changes: Any) -> dict[str, Any]:
    """One entry of `subjects`."""
    method, _, variant = label.partition("/")
    facts = {
        "label": label,
        "method": method,
        "variant": variant,
        "options": PLAIN,
        "proposals": proposals,
        "params": {"total": 200_000_000, "trainable": 8_000_000},
        "weights": {"kind": "random", "note": "random weights: accuracy means nothing"},
        "failures": [],
    }
    return {**facts, **changes}


def points(
    label: str, law: tuple[float, float], at: Conditions, values: tuple[int, ...], seed: int, noise: float
) -> list[Point]:
    """ms = a + b n at each number of proposals; the noise of a round is shared by all, as in an interleaved run."""
    shared = np.random.default_rng(0).normal(1, noise, ROUNDS)
    own = np.random.default_rng(seed)
    found = []
    for value in values:
        ms = (law[0] + law[1] * value) * shared * own.normal(1, noise / 10, ROUNDS)
        stages = {"backbone": (ms * 0.25).tolist(), "clip_image": (ms * 0.75).tolist()}
        latency = {"total_ms": ms.tolist(), "stage_ms": stages, "first_call_ms": 9.0, "unit": "ms"}
        found.append(Point(label, at.at("proposals", value), (640, 864), latency))
    return found


def example_cost(
    laws: dict[str, tuple[float, float]],
    values: tuple[int, ...] = (1, 10, 40, 100),
    noise: float = 0.02,
    device: str = "cpu",
    floor: float = 0.0,
    **changes: Any,
) -> CostRecord:
    """Latencies by `laws` (label -> a, b: ms = a + b n) at base conditions of 100 proposals; `floor`: the A/A run's bias."""
    base = Conditions((640, 853), 171, 100, 1)
    samples = [
        point
        for seed, (label, law) in enumerate(laws.items())
        for point in points(label, law, base, values, seed + 1, noise)
    ]
    fields: dict[str, Any] = {
        "protocol": {"name": "matched", "fingerprint": "f" * 16, "threads": 2, "device": device},
        "conditions": base,
        "sweeps": {"proposals": list(values)} if len(values) > 1 else {},
        "subjects": {label: subject(label) for label in laws},
        "points": tuple(samples),
        "null": {
            "subject": next(iter(laws)),
            "first_ms": [1.0 + floor] * ROUNDS,
            "second_ms": [1.0] * ROUNDS,
        },
        "stopping": {"rounds": ROUNDS, "why": "narrow", "until": 0.03, "seconds": 1.0},
        "matmul_peak": {},
        "run_id": "0123456789ab",
        "environment": {"cpu": "A Processor", "device": device, "gpu": {"name": "A Card"}, "machine": "m"},
        "bench": {"version": "0", "commit": "", "dirty": None},
        "created": "2026-11-21T10:00:00+00:00",
        "warnings": (),
        "failures": (),
    }
    return CostRecord(**{**fields, **changes})
