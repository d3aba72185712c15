"""Named parts of a forward pass: `with stage("backbone"): ...`.

A method marks its stages; whoever measures (only `benchbed.cost` does) listens. With no listener a stage costs two
attribute look-ups, so methods leave the marks in for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

STAGES: Final = (
    "preprocess",
    "backbone",
    "proposals",
    "crops",
    "clip_image",
    "clip_text",
    "classify",
    "compose",
    "label_map",
)
UNACCOUNTED: Final = "unaccounted"


class StageListener(Protocol):
    """Hears each stage begin and end, in order, nested ones inside outer ones."""

    def enter(self, name: str) -> None:
        """Called just before the stage's first statement."""

    def leave(self, name: str) -> None:
        """Called after the stage's last statement, also when it raised."""


_listeners: list[StageListener] = []


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Mark the statements inside as the stage `name` (one of `STAGES`).

    Raises:
        ValueError: the name is not in `STAGES`, which would make a ledger that no table shows.
    """
    if name not in STAGES:
        raise ValueError(f"unknown stage {name!r}: expected one of {', '.join(STAGES)}")
    heard = tuple(_listeners)
    for listener in heard:
        listener.enter(name)
    try:
        yield
    finally:
        for listener in reversed(heard):
            listener.leave(name)


@contextmanager
def listening(listener: StageListener) -> Iterator[None]:
    """Let `listener` hear all stages that begin inside this block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
