"""Random numbers that are the same for ever: SplitMix64, written out in integers.

numpy may change what its `Generator` distributions return from one release to the next; this stream can't.
The n-th word is a hash of (key, n), so a stream has no hidden state beyond a counter, and a key made of
(seed, split, index, part) gives every part of every scene its own stream: what one part draws never shifts
another.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (constants: Vigna's
    splitmix64.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")

WORD = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
# FNV-1a, 64 bits: how a name becomes a number (http://www.isthe.com/chongo/tech/comp/fnv/).
FNV_BASIS = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3


def mix(word: int) -> int:
    """SplitMix64's finaliser: a bijection on 64-bit words; every input bit reaches every output bit."""
    word = ((word ^ (word >> 30)) * MIX_1) & WORD
    word = ((word ^ (word >> 27)) * MIX_2) & WORD
    return word ^ (word >> 31)


def _number(part: int | str) -> int:
    if isinstance(part, int):
        return part & WORD
    number = FNV_BASIS
    for byte in part.encode():
        number = ((number ^ byte) * FNV_PRIME) & WORD
    return number


class Stream:
    """An endless stream of 64-bit words that depends on `key` alone."""

    __slots__ = ("count", "key")

    def __init__(self, key: int) -> None:
        self.key = key & WORD
        self.count = 0

    @classmethod
    def of(cls, *parts: int | str) -> Stream:
        """The stream named by `parts`, e.g. `Stream.of(seed, "val", index)`; their order matters."""
        return cls(0).child(*parts)

    def child(self, *parts: int | str) -> Stream:
        """A stream of its own for a part of what this stream makes; nothing is drawn from this one."""
        key = self.key
        for part in parts:
            key = mix(((key + GAMMA) & WORD) ^ mix(_number(part)))
        return Stream(key)

    def word(self) -> int:
        """The next word, 0 <= word < 2**64."""
        self.count += 1
        return mix((self.key + self.count * GAMMA) & WORD)

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """The next `count` words as an array `[count]`: the same that `word` would return one by one."""
        counter = np.arange(self.count + 1, self.count + count + 1, dtype=np.uint64)
        self.count += count
        word = counter * np.uint64(GAMMA) + np.uint64(self.key)  # array arithmetic wraps modulo 2**64
        word = (word ^ (word >> np.uint64(30))) * np.uint64(MIX_1)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(MIX_2)
        return word ^ (word >> np.uint64(31))

    def integer(self, low: int, high: int) -> int:
        """One integer, low <= integer <= high (bias below 2**-57 for the ranges used here)."""
        if high < low:
            raise ValueError(f"no integer between {low} and {high}")
        return low + ((self.word() * (high - low + 1)) >> 64)

    def integers(self, count: int, low: int, high: int) -> npt.NDArray[np.int32]:
        """`count` integers, low <= integer <= high, range below 2**31: int32 `[count]`."""
        span = np.uint64(high - low + 1)
        return (((self.words(count) >> np.uint64(32)) * span) >> np.uint64(32)).astype(np.int32) + np.int32(
            low
        )

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator / denominator."""
        return self.integer(1, denominator) <= numerator

    def choice(self, items: Sequence[Item]) -> Item:
        """One of `items`, each as likely."""
        return items[self.integer(0, len(items) - 1)]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """`items` in a random order (Fisher-Yates); the argument stays as it is."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.integer(0, last)
            order[last], order[other] = order[other], order[last]
        return order
