"""The learning rate of every iteration in closed form: nothing to store, nothing that drifts when a training goes on."""

from __future__ import annotations

import math

from benchbed.training.recipe import Schedule


def rate_factor(schedule: Schedule, iteration: int, iterations: int) -> float:
    """What the learning rate of one iteration is multiplied by.

    As in detectron2's `WarmupPolyLR` (solver/lr_scheduler.py), the warm-up multiplies the falling rate; it does not delay it.

    Args:
        schedule: how the rate falls.
        iteration: i, counted from 0.
        iterations: N, of the whole stage.
    """
    return _warmth(schedule, iteration) * _fall(schedule, iteration / iterations)


def _fall(schedule: Schedule, share: float) -> float:
    if schedule.kind == "poly":
        return float((1 - share) ** schedule.power)
    if schedule.kind == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    if schedule.kind == "constant":
        return 1.0
    raise ValueError(f"schedule kind {schedule.kind!r}: expected 'poly', 'cosine' or 'constant'")


def _warmth(schedule: Schedule, iteration: int) -> float:
    if iteration >= schedule.warmup:
        return 1.0
    if schedule.warmup_kind == "constant":
        return schedule.warmup_factor
    done = iteration / schedule.warmup
    return schedule.warmup_factor * (1 - done) + done
