"""Which form a law has: as many numbers as the measured noise gives reason for, and none that predicts worse. Numpy alone.

Two things must speak for a further number. Akaike's criterion, with the noise that the rounds themselves show: with a known
noise it needs no correction for few points, and three points already tell a line from a constant. And leave-one-out: each point
predicted from the others. A curve that only threads its points (a step of a cache, say) predicts the one left out badly.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from benchbed.cost.law_forms import KINDS, NAMES, Array, Kind, fitting, least_squares, values

# Akaike's criterion must fall by more than this for another form: below 2 "the evidence for both is substantial"
# (Burnham and Anderson, Model Selection and Multimodel Inference, 2002, section 2.6).
WORTH: Final = 2.0
# Relative. No real program is a polynomial: blocks, caches and allocators bend it by about so much, whatever the noise.
BENT: Final = 0.01
# Relative noise of one round, where there is only one: the middle of what idle machines showed (performance.md, section 8).
UNKNOWN: Final = 0.03


def choose(xs: Array, medians: Array, noise: Array) -> Kind:
    """The form of a law.

    Args:
        xs: [X] rising.
        medians: [X] positive times.
        noise: [X] relative standard errors of the medians, without what falls on all of them alike (`shape_noise`).

    Returns:
        A constant for one point, a line for two: those cannot be judged.
    """
    if len(xs) < 3:
        return "constant" if len(xs) == 1 else "affine"
    spread = np.sqrt(noise**2 + BENT**2)
    best: Kind = "constant"
    score, left_out = math.inf, math.inf
    for kind in KINDS:
        if not fitting(kind, xs):
            continue
        criterion, predicted = _criterion(xs, medians, spread, kind), _left_out(xs, medians, spread, kind)
        if criterion < score - WORTH and predicted < left_out:
            best, score, left_out = kind, criterion, predicted
    return best


def shape_noise(resampled: Array) -> Array:
    """[X] relative standard errors from replicates of the medians [X, R], less the part that all points share.

    A drift of the machine makes all of them higher or lower together; no form follows from that.
    """
    logs = np.log(resampled)
    points = len(logs)
    if points < 2 or resampled.shape[1] < 2:
        return np.full(points, UNKNOWN)
    own = logs - logs.mean(axis=0)
    found: Array = own.std(axis=1, ddof=1) * math.sqrt(points / (points - 1))
    return found


def _criterion(xs: Array, medians: Array, spread: Array, kind: Kind) -> float:
    """Akaike's, with known noise: the misfit in units of the noise, squared, and 2 for each number."""
    fit = least_squares(xs, medians[:, None], kind)[:, 0]
    return float(np.sum(_misfit(kind, fit, xs, medians, spread) ** 2)) + 2 * len(NAMES[kind])


def _left_out(xs: Array, medians: Array, spread: Array, kind: Kind) -> float:
    """Squared misfit, in units of the noise, of each point by the law through the others."""
    total = 0.0
    for place in range(len(xs)):
        others = np.arange(len(xs)) != place
        fit = least_squares(xs[others], medians[others, None], kind)[:, 0]
        here = slice(place, place + 1)
        total += float(_misfit(kind, fit, xs[here], medians[here], spread[here])[0]) ** 2
    return total


def _misfit(kind: Kind, fit: Array, xs: Array, medians: Array, spread: Array) -> Array:
    found: Array = (values(kind, fit, xs) / medians - 1) / spread
    return found
