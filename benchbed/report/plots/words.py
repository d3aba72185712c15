"""Small pieces of captions."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 6) -> str:
    """ "a, b, c and 4 more"."""
    more = len(names) - most
    return ", ".join(names) if more < 2 else f"{', '.join(names[:most])} and {more:,} more"


def counted(number: int, noun: str) -> str:
    """ "1 method", "2 methods"; for nouns whose plural takes an s, or es after ss."""
    ending = "" if number == 1 else "es" if noun.endswith("ss") else "s"
    return f"{number:,} {noun}{ending}"
