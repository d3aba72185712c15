"""How time grows with proposals, classes, pixels or batch: fitted laws, and where one method overtakes another. Numpy alone.

A law is fitted to the medians of the samples by least squares of the *relative* misfit, because timing noise is proportional to
the time (`benchbed.cost.law_forms`); its form follows from the noise and from leave-one-out (`benchbed.cost.law_choice`).
Intervals come from a bootstrap over rounds: every replicate draws rounds, takes medians and fits anew, with the same draw for
all laws of a call, so that a drift that fell on all of a round alike cancels where two laws are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchbed.cost.law_choice import choose, shape_noise
from benchbed.cost.law_forms import NAMES, Array, Kind, least_squares, numbers_of, places_of, values
from benchbed.cost.statistics import CONFIDENCE, Estimate

Samples = Mapping[float, Sequence[float]]

REPLICATES: Final = 1000  # 25 of them lie beyond each end of a 95 % interval
FAR: Final = 10.0  # beyond this many times the measured range, a crossing is no statement
NEAREST: Final = 1e-6  # of that reach: below it nothing crosses that anyone could measure
STEPS: Final = 2000  # on a log scale between the two; between neighbours a law is straight enough


@dataclass(frozen=True, eq=False)
class Law:
    """t(x) in the unit of its samples.

    Attributes:
        kind: which form was worth its numbers.
        coefficients: the form's own numbers, in the order of `benchbed.cost.law_forms.NAMES`.
        low_x, high_x: the range that was measured.
        misfit: the largest relative distance between a median and the law.
        points: how many x were measured.
        replicates: [R, 3] numbers of the bootstrap, as `least_squares` gives them.
        fit: [3] numbers of all rounds.
    """

    kind: Kind
    coefficients: tuple[Estimate, ...]
    low_x: float
    high_x: float
    misfit: float
    points: int
    replicates: Array
    fit: Array

    @property
    def terms(self) -> dict[str, Estimate]:
        """By name: a, b, c of a + b x + c x^2, or a, p of a x^p."""
        return dict(zip(NAMES[self.kind], self.coefficients, strict=True))

    @property
    def rounds(self) -> int:
        """How many it rests on."""
        return self.coefficients[0].samples

    def at(self, x: float) -> Estimate:
        """The law's value at x with its interval."""
        place = np.array([x])
        fit, replicates = (values(self.kind, each, place)[..., 0] for each in (self.fit, self.replicates))
        return _estimate(float(fit), replicates, self.rounds)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; a is the time at x = 0, b a unit of x, c a square; of a power, a at x = 1 and the exponent p."""
        return {
            "kind": self.kind,
            **{name: _plain(each) for name, each in self.terms.items()},
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
    rounds = draws.shape[1]
    medians = np.median(table, axis=1)
    resampled = np.median(table[:, draws], axis=2)  # [X, R]
    kind = choose(xs, medians, shape_noise(resampled if rounds > 1 else resampled[:, :1]))
    fit = least_squares(xs, medians[:, None], kind)[:, 0]
    replicates = least_squares(xs, resampled, kind).T
    return Law(
        kind=kind,
        coefficients=tuple(
            _estimate(value, replicates[:, place], rounds, positive=False)
            for value, place in zip(numbers_of(kind, fit), places_of(kind), strict=True)
        ),
        low_x=float(xs[0]),
        high_x=float(xs[-1]),
        misfit=float(np.max(np.abs(values(kind, fit, xs) / medians - 1))),
        points=len(xs),
        replicates=replicates,
        fit=fit,
    )


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
            below="first" if _apart(first, second, 1.0, x * 0.999) < 0 else "second",
            inside=max(_low(first), _low(second)) <= x <= _high(first, second),
            share=float(np.mean(np.isfinite(_nearest_roots(first, second, 1.0, x)))),
        )
        for x in _roots(first, second, 1.0)
    ]


def where_ratio(first: Law, second: Law, factor: float) -> Estimate | None:
    """The least x at which the first takes `factor` times as long as the second; None where it does within no reach."""
    roots = _roots(first, second, factor)
    return _crossing_interval(first, second, factor, roots[0]) if roots else None


def _low(law: Law) -> float:
    """A constant law of one point was measured at every x in effect: it does not depend on it."""
    return -math.inf if law.points == 1 else law.low_x


def _high(first: Law, second: Law) -> float:
    return min(law.high_x if law.points > 1 else math.inf for law in (first, second))


def _places(first: Law, second: Law) -> Array:
    """[X] where the two are compared, closer together where x is small."""
    reach = FAR * max(law.high_x for law in (first, second))
    return np.geomspace(NEAREST * reach, reach, STEPS)


def _apart(first: Law, second: Law, factor: float, x: float) -> float:
    """The first less `factor` times the second, at x."""
    return first.at(x).value - factor * second.at(x).value


def _differences(first: Law, second: Law, factor: float, xs: Array, replicates: bool) -> Array:
    """[R, X] the first less `factor` times the second: of all rounds (R = 1), or of each replicate."""
    one, other = (
        values(law.kind, law.replicates if replicates else law.fit[None], xs) for law in (first, second)
    )
    found: Array = one - factor * other
    return found


def _meetings(heights: Array, xs: Array) -> Array:
    """[R, X - 1] where each curve crosses 0 between neighbours, NaN where it does not; exact for straight ones."""
    left, right = heights[:, :-1], heights[:, 1:]
    crosses = (left < 0) != (right < 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        met = xs[:-1] + (xs[1:] - xs[:-1]) * left / (left - right)
    return np.where(crosses, met, math.nan)


def _roots(first: Law, second: Law, factor: float) -> list[float]:
    """Rising; by all rounds."""
    xs = _places(first, second)
    met = _meetings(_differences(first, second, factor, xs, replicates=False), xs)[0]
    return [float(x) for x in met[np.isfinite(met)]]


def _nearest_roots(first: Law, second: Law, factor: float, x: float) -> Array:
    """[R] of each replicate, the root nearest to x; NaN where it has none."""
    xs = _places(first, second)
    met = _meetings(_differences(first, second, factor, xs, replicates=True), xs)
    distance = np.where(np.isfinite(met), np.abs(met - x), math.inf)
    nearest: Array = met[np.arange(len(met)), distance.argmin(axis=1)]
    return nearest


def _crossing_interval(first: Law, second: Law, factor: float, x: float) -> Estimate:
    """Percentiles over replicates; one that does not meet counts as meeting below or above everything, on its side."""
    if first.rounds < 2:
        return Estimate(x, 0.0, math.inf, first.rounds)
    roots = _nearest_roots(first, second, factor, x)
    here = np.array([x])
    ahead = _differences(first, second, factor, here, replicates=True)[:, 0]  # above 0: the first is dearer
    rising = _apart(first, second, factor, x * 1.001) > _apart(first, second, factor, x * 0.999)
    missing = ~np.isfinite(roots)
    roots[missing] = np.where((ahead[missing] > 0) == rising, 0.0, math.inf)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(roots, [tail, 100 - tail], method="nearest")
    return Estimate(x, float(low), float(high), first.rounds)
