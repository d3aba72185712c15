"""How time grows with proposals, classes, pixels or batch: fitted laws, and where one method overtakes another. Numpy alone.

A law is t(x) = a, a + b x or a + b x + c x^2, fitted to the medians of the samples by least squares of the *relative* misfit,
because timing noise is proportional to the time. Intervals come from a bootstrap over rounds: every replicate draws
rounds, takes medians and fits anew, with the same draw for all laws of a call, so that a drift that fell on all of a round
alike cancels where two laws are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchbed.cost.statistics import CONFIDENCE, Estimate

Array = NDArray[np.float64]
Samples = Mapping[float, Sequence[float]]
Kind = Literal["constant", "linear", "quadratic"]

REPLICATES: Final = 1000  # 25 of them lie beyond each end of a 95 % interval
KINDS: Final[tuple[Kind, ...]] = ("constant", "linear", "quadratic")
# Akaike's criterion must fall by more than this for one more coefficient: below 2 "the evidence for both is substantial"
# (Burnham and Anderson, Model Selection and Multimodel Inference, 2002, section 2.6).
WORTH: Final = 2.0
FAR: Final = 10.0  # beyond this many times the measured range, a crossing is no statement
NOISE: Final = 0.005  # relative: a misfit below half a percent is nobody's evidence for a further term


@dataclass(frozen=True, eq=False)
class Law:
    """t(x) in the unit of its samples.

    Attributes:
        kind: which form was worth its coefficients.
        coefficients: a, b, c; as many as the form has.
        low_x, high_x: the range that was measured.
        misfit: the largest relative distance between a median and the law.
        points: how many x were measured.
        replicates: [R, 3] coefficients of the bootstrap, the absent ones 0.
        fit: [3] coefficients of all rounds, the absent ones 0.
    """

    kind: Kind
    coefficients: tuple[Estimate, ...]
    low_x: float
    high_x: float
    misfit: float
    points: int
    replicates: Array
    fit: Array

    def at(self, x: float) -> Estimate:
        """The law's value at x with its interval."""
        powers = np.array([1.0, x, x * x])
        rounds = self.coefficients[0].samples
        return _estimate(float(self.fit @ powers), self.replicates @ powers, rounds)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; a is the time at x = 0, b a unit of x, c a square."""
        names = dict(zip("abc", self.coefficients, strict=False))
        return {
            "kind": self.kind,
            **{name: _plain(each) for name, each in names.items()},
            "range": [self.low_x, self.high_x],
            "points": self.points,
            "misfit": self.misfit,
        }


@dataclass(frozen=True)
class Crossing:
    """Where two laws meet.

    Attributes:
        x: where, with its interval; an end is infinite or 0 where replicates do not meet at all.
        below: which law is the cheaper one below x.
        inside: x lies in the range that both were measured in; else it is extrapolated.
        share: of the replicates that meet within reach; far below 1 means that it is not certain that they meet.
    """

    x: Estimate
    below: Literal["first", "second"]
    inside: bool
    share: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"x": self.x.as_dict(), "below": self.below, "inside": self.inside, "share": self.share}


def fit_laws(samples: Mapping[str, Samples], seed: int = 0) -> dict[str, Law]:
    """A law for each subject.

    Args:
        samples: subject -> x -> one positive sample a round; the same rounds for all.
        seed: of the bootstrap.

    Raises:
        ValueError: no samples, samples that are not positive, or different numbers of rounds.
    """
    rounds = {len(each) for points in samples.values() for each in points.values()}
    if len(rounds) != 1 or not all(samples.values()) or 0 in rounds:
        raise ValueError(f"every x of every subject needs the same number of rounds, found {sorted(rounds)}")
    count = rounds.pop()
    draws = np.random.default_rng(seed).integers(0, count, (REPLICATES, count))
    return {name: _fit(points, draws) for name, points in samples.items()}


def _fit(points: Samples, draws: NDArray[np.int64]) -> Law:
    xs = np.array(sorted(points), dtype=np.float64)
    table = np.array([points[x] for x in xs], dtype=np.float64)  # [X, rounds]
    if not (np.isfinite(table).all() and (table > 0).all()):
        raise ValueError("samples must be positive and finite")
    medians = np.median(table, axis=1)
    kind = _choose(xs, medians)
    fit = _least_squares(xs, medians[:, None], kind)[:, 0]
    resampled = np.median(table[:, draws], axis=2)  # [X, R]
    replicates = _least_squares(xs, resampled, kind).T
    terms = KINDS.index(kind) + 1
    return Law(
        kind=kind,
        coefficients=tuple(
            _estimate(float(fit[i]), replicates[:, i], draws.shape[1], positive=False) for i in range(terms)
        ),
        low_x=float(xs[0]),
        high_x=float(xs[-1]),
        misfit=float(np.max(np.abs(_values(fit, xs) / medians - 1))),
        points=len(xs),
        replicates=replicates,
        fit=fit,
    )


def _choose(xs: Array, medians: Array) -> Kind:
    """The form with the lowest corrected Akaike criterion; more points than coefficients are needed to judge one."""
    if len(xs) == 1:
        return "constant"
    if len(xs) == 2:
        return "linear"
    best: Kind = "constant"
    lowest = math.inf
    for kind in KINDS:
        terms, n = KINDS.index(kind) + 1, len(xs)
        if n <= terms:  # it would go through every point, whatever they are
            break
        fit = _least_squares(xs, medians[:, None], kind)[:, 0]
        variance = float(np.mean((_values(fit, xs) / medians - 1) ** 2)) + NOISE**2
        spare = max(n - terms - 1, 1)
        score = n * math.log(variance) + 2 * terms + 2 * terms * (terms + 1) / spare
        if score < lowest - WORTH:
            best, lowest = kind, score
    return best


def _least_squares(xs: Array, ys: Array, kind: Kind) -> Array:
    """[3, R] coefficients of R curves [X, R], by relative misfit."""
    terms = KINDS.index(kind) + 1
    scale = max(float(np.max(xs)), 1.0)
    powers = np.stack([(xs / scale) ** power for power in range(terms)], axis=1)  # [X, terms]
    found = np.zeros((3, ys.shape[1]))
    weighted = powers[None] / ys.T[:, :, None]  # [R, X, terms]
    normal = np.einsum("rxi,rxj->rij", weighted, weighted)
    right = weighted.sum(axis=1)
    solved = np.einsum("rij,rj->ri", np.linalg.pinv(normal, hermitian=True), right)
    found[:terms] = solved.T / (scale ** np.arange(terms))[:, None]
    return found


def _values(fit: Array, xs: Array) -> Array:
    values: Array = fit[0] + fit[1] * xs + fit[2] * xs * xs
    return values


def _estimate(value: float, replicates: Array, samples: int, positive: bool = True) -> Estimate:
    if samples < 2:
        return Estimate(value, 0.0 if positive else -math.inf, math.inf, samples)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return Estimate(value, float(low), float(high), samples)


def _plain(estimate: Estimate) -> dict[str, Any]:
    """Plain values for strict JSON; a coefficient of a single round has no lower end either."""
    return {**estimate.as_dict(), "low": estimate.low if math.isfinite(estimate.low) else None}


def crossings(first: Law, second: Law) -> list[Crossing]:
    """Where two laws of one `fit_laws` meet, within 10 times the measured range; rising, empty where they do not."""
    return [
        Crossing(
            x=_crossing_interval(first, second, 1.0, x),
            below="first" if _values(first.fit - second.fit, np.array([x * 0.999]))[0] < 0 else "second",
            inside=max(_low(first), _low(second)) <= x <= _high(first, second),
            share=_share(first, second, 1.0, x),
        )
        for x in _roots(first.fit - second.fit, _reach(first, second))
    ]


def where_ratio(first: Law, second: Law, factor: float) -> Estimate | None:
    """The least x at which the first takes `factor` times as long as the second; None where it does within no reach."""
    roots = _roots(first.fit - factor * second.fit, _reach(first, second))
    return _crossing_interval(first, second, factor, roots[0]) if roots else None


def _low(law: Law) -> float:
    """A constant law of one point was measured at every x in effect: it does not depend on it."""
    return -math.inf if law.points == 1 else law.low_x


def _high(first: Law, second: Law) -> float:
    return min(law.high_x if law.points > 1 else math.inf for law in (first, second))


def _reach(first: Law, second: Law) -> float:
    return FAR * max(law.high_x for law in (first, second))


def _roots(coefficients: Array, reach: float) -> list[float]:
    """Positive roots of a + b x + c x^2 up to `reach`, rising."""
    trimmed = np.trim_zeros(coefficients, "b")
    if len(trimmed) < 2:
        return []
    found = np.roots(trimmed[::-1])
    real = found[np.abs(found.imag) < 1e-9].real
    return sorted(float(x) for x in real if 0 < x <= reach)


def _nearest_roots(first: Law, second: Law, factor: float, x: float) -> list[float]:
    """Of each replicate, the root nearest to x; NaN where it has none."""
    reach = _reach(first, second)
    nearest = []
    for row in first.replicates - factor * second.replicates:
        roots = _roots(row, reach)
        nearest.append(min(roots, key=lambda root: abs(root - x)) if roots else math.nan)
    return nearest


def _share(first: Law, second: Law, factor: float, x: float) -> float:
    return float(np.mean(np.isfinite(_nearest_roots(first, second, factor, x))))


def _crossing_interval(first: Law, second: Law, factor: float, x: float) -> Estimate:
    """Percentiles over replicates; one that does not meet counts as meeting below or above everything, on its side."""
    roots = np.array(_nearest_roots(first, second, factor, x))
    difference = first.replicates - factor * second.replicates
    slope = float((first.fit - factor * second.fit) @ np.array([0.0, 1.0, 2 * x]))
    ahead = difference @ np.array([1.0, x, x * x])  # above 0 where the first is already the dearer one at x
    missing = ~np.isfinite(roots)
    roots[missing] = np.where(ahead[missing] * slope > 0, 0.0, math.inf)
    samples = first.coefficients[0].samples
    if samples < 2:
        return Estimate(x, 0.0, math.inf, samples)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(roots, [tail, 100 - tail], method="nearest")
    return Estimate(x, float(low), float(high), samples)
