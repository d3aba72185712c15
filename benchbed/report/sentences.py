"""Sentences that differ in their numbers alone, such as warnings of a busy machine: said once, with the range of each number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")


def pattern(sentence: str) -> str:
    """The sentence with its numbers left out: what it says, whatever was measured."""
    return _NUMBER.sub("#", sentence)


def ranged(sentences: Sequence[str]) -> str:
    """One sentence for several of one pattern: "2.0 to 3.1" where a number differs, the number itself where it does not.

    Raises:
        ValueError: no sentence, or sentences of different patterns.
    """
    if len({pattern(sentence) for sentence in sentences}) != 1:
        raise ValueError(f"not sentences of one pattern: {sentences[:2]}")
    columns = iter(list(zip(*[_NUMBER.findall(sentence) for sentence in sentences], strict=True)))
    return _NUMBER.sub(lambda _: _range(next(columns)), sentences[0])


def _range(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
