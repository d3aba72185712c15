"""Things that many rows share, kept once on the page and referred to by place."""

from __future__ import annotations

import json
from typing import Any


class Shared:
    """A list without repetitions; what is plain data is equal if its JSON is.

    Attributes:
        items: in the order of first mention.
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, item: Any) -> int:
        """Where the item lies, after adding it if it is new."""
        key = json.dumps(item, sort_keys=True, default=str)
        if key not in self._places:
            self._places[key] = len(self.items)
            self.items.append(item)
        return self._places[key]
