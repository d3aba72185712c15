"""How much time is left for something. Free of torch."""

from __future__ import annotations

import time


class Deadline:
    """Counts from its making.

    Args:
        seconds: until it is reached.
    """

    def __init__(self, seconds: float) -> None:
        self._start = time.monotonic()
        self.seconds = seconds

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds until it is reached; negative after."""
        return self.seconds - self.spent
