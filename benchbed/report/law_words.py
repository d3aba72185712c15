"""A law of scaling as a person writes it. Free of torch."""

from __future__ import annotations

from typing import Final

from benchbed.cost.scaling import Law

_POWERS: Final = {"a": 0, "b": 1, "c": 2}


def law_words(law: Law, unit: float = 1.0, symbol: str = "x", square: str = "²", digits: int = 3) -> str:
    """ "47.1 + 3.02 x", or "12.4 x^0.81".

    Args:
        law: fitted.
        unit: how many of the law's x make one of `symbol` (a megapixel: 1e6).
        symbol: of the axis.
        square: how a square is written behind it.
        digits: significant ones.
    """
    found = law.terms
    if law.kind == "power":
        at_one = found["a"].value * unit ** found["p"].value
        return f"{at_one:,.{digits}g} {symbol}^{found['p'].value:.2f}"
    tails = ("", f" {symbol}", f" {symbol}{square}")
    words = ""
    for name, each in found.items():
        power = _POWERS[name]
        value = each.value * unit**power
        sign = "- " if value < 0 else "+ "
        words += f" {sign}{abs(value):,.{digits}g}{tails[power]}"
    return words.removeprefix(" + ").removeprefix(" ")
