"""The forms that a time may have over proposals, classes, pixels or batch, and how each is fitted. Numpy alone.

What each stands for: work that does not meet the axis (constant); work for each of x and nothing else (proportional); a fixed
part beside it (affine); a fixed part, work for each and work for each pair, as attention has over tokens (quadratic); and
something between (power), where caches and vector units make each of many cheaper, or dearer, than each of few.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["constant", "proportional", "affine", "power", "quadratic"]

WIDTH: Final = 3  # numbers of the form with most
# Simplest first: of two forms that explain as much, the earlier one stands.
KINDS: Final[tuple[Kind, ...]] = ("constant", "proportional", "affine", "power", "quadratic")
# The names of a form's numbers: t = a + b x + c x^2, or a x^p.
NAMES: Final[dict[Kind, tuple[str, ...]]] = {
    "constant": ("a",),
    "proportional": ("b",),
    "affine": ("a", "b"),
    "power": ("a", "p"),
    "quadratic": ("a", "b", "c"),
}
_PLACES: Final = {"a": 0, "b": 1, "c": 2}


def least_squares(xs: Array, ys: Array, kind: Kind) -> Array:
    """[3, R] numbers of R curves `ys` [X, R] over `xs` [X], by relative misfit.

    In the order a, b, c with 0 for what the form lacks; a, p, 0 for a power. Timing noise is proportional to the time, so what is
    made small is the relative misfit; of a power that of logarithms, which is the same for small ones.
    """
    if kind == "power":
        return _power(xs, ys)
    places = [_PLACES[name] for name in NAMES[kind]]
    scale = max(float(np.max(np.abs(xs))), 1.0)
    terms = np.stack([(xs / scale) ** place for place in places], axis=1)  # [X, terms]
    weighted = terms[None] / ys.T[:, :, None]  # [R, X, terms]
    normal = np.einsum("rxi,rxj->rij", weighted, weighted)
    solved = np.einsum("rij,rj->ri", np.linalg.pinv(normal, hermitian=True), weighted.sum(axis=1))
    found = np.zeros((WIDTH, ys.shape[1]))
    for column, place in enumerate(places):
        found[place] = solved[:, column] / scale**place
    return found


def _power(xs: Array, ys: Array) -> Array:
    logs = np.log(xs)
    centred = logs - logs.mean()
    heights = np.log(ys)
    exponent = centred @ heights / (centred @ centred)
    found = np.zeros((WIDTH, ys.shape[1]))
    found[0], found[1] = np.exp(heights.mean(axis=0) - exponent * logs.mean()), exponent
    return found


def values(kind: Kind, numbers: Array, xs: Array) -> Array:
    """[..., X] times of curves `numbers` [..., 3] at `xs` [X]."""
    first, second, third = (numbers[..., place, None] for place in range(WIDTH))
    if kind == "power":
        found: Array = first * xs**second
    else:
        found = first + second * xs + third * xs * xs
    return found


def numbers_of(kind: Kind, fit: Array) -> list[float]:
    """The form's own numbers among [3], in the order of `NAMES`."""
    return [float(fit[place]) for place in places_of(kind)]


def places_of(kind: Kind) -> tuple[int, ...]:
    """Where the form's own numbers stand among three."""
    return (0, 1) if kind == "power" else tuple(_PLACES[name] for name in NAMES[kind])


def fitting(kind: Kind, xs: Array) -> bool:
    """Whether there are more points than numbers, so that a fit can be judged, and the form is defined at all of them."""
    return len(xs) > len(NAMES[kind]) and (kind != "power" or bool((xs > 0).all()))
