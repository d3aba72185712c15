"""A listener to stages that keeps their order."""

from __future__ import annotations


class Heard:
    """What `benchbed.stages.listening` tells.

    Attributes:
        names: of stages, as they began.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._running: list[str] = []

    def enter(self, name: str) -> None:
        self.names.append(name)
        self._running.append(name)

    def leave(self, name: str) -> None:
        """A stage ends before the one around it."""
        assert name == self._running.pop()
