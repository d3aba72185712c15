"""One JSON line a request, one a reply, over a pipe; reads not a byte more than a line, so that a fork can go on with it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Final

_CHUNK: Final = 65536


@dataclass(frozen=True)
class Wire:
    """The child's end of the pipes.

    Attributes:
        requests, replies: file descriptors.
    """

    requests: int
    replies: int

    def read(self) -> dict[str, Any] | None:
        """The next request; None where the gate has gone. The gate sends one at a time and waits for its reply."""
        parts: list[bytes] = []
        while not parts or not parts[-1].endswith(b"\n"):
            part = os.read(self.requests, _CHUNK)
            if not part:
                return None
            parts.append(part)
        request: dict[str, Any] = json.loads(b"".join(parts))
        return request

    def write(self, reply: dict[str, Any]) -> None:
        """Send a reply whole."""
        left = memoryview(json.dumps(reply).encode() + b"\n")
        while left:
            left = left[os.write(self.replies, left) :]
