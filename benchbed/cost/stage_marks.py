"""Whose turn it is: every moment of a forward pass belongs to the innermost stage open then, or to nobody.

Time, FLOPs and memory all use this one rule, so that their ledgers stand side by side and each sums to its whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Generic, TypeVar

from benchbed.stages import UNACCOUNTED, listening

Mark = TypeVar("Mark")


class StageMarks(Generic[Mark]):
    """A stage listener that takes a mark (a time, a count, a CUDA event) wherever a stage begins or ends.

    Args:
        take: gives the mark of this moment.
    """

    def __init__(self, take: Callable[[], Mark]) -> None:
        self._take = take
        self._open: list[str] = []
        self._owners: list[str] = []
        self._marks: list[Mark] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen during this block; its beginning and its end are marks as well."""
        self._open, self._owners, self._marks = [], [], [self._take()]
        with listening(self):
            yield
        self._close_span()

    def enter(self, name: str) -> None:
        """A stage begins: what went before belongs to the stage around it."""
        self._close_span()
        self._open.append(name)

    def leave(self, name: str) -> None:
        """A stage ends."""
        self._close_span()
        self._open.pop()

    def _close_span(self) -> None:
        self._owners.append(self._open[-1] if self._open else UNACCOUNTED)
        self._marks.append(self._take())

    @property
    def whole(self) -> tuple[Mark, Mark]:
        """The first and the last mark."""
        return self._marks[0], self._marks[-1]

    def spans(self) -> Iterator[tuple[str, Mark, Mark]]:
        """(owner, mark at its begin, mark at its end), without gaps, in order."""
        for owner, (begin, end) in zip(self._owners, pairwise(self._marks), strict=True):
            yield owner, begin, end

    def ledger(self, between: Callable[[Mark, Mark], float]) -> dict[str, float]:
        """The sum of `between(begin, end)` over each owner's spans; `unaccounted` is always there, and last."""
        sums: dict[str, float] = {}
        for owner, begin, end in self.spans():
            sums[owner] = sums.get(owner, 0) + between(begin, end)
        rest = sums.pop(UNACCOUNTED, 0)
        return {**sums, UNACCOUNTED: rest}
