"""JSON files that nobody may change once they are written: their kind, their schema, and an id that is a digest of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbed.errors import StoreError


@dataclass(frozen=True)
class Sealed:
    """What a file of one kind must say of itself.

    Attributes:
        kind: the value of its key `kind`.
        schema: the newest layout that is read.
        name: for messages, e.g. "cost record".
        writer: the command that writes it, e.g. "benchbed cost".
    """

    kind: str
    schema: int
    name: str
    writer: str

    def decode(self, text: str, source: str) -> dict[str, Any]:
        """A file's JSON object, its kind and schema checked.

        Raises:
            StoreError: torn, of another kind, or of a newer schema.
        """
        try:
            content = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise StoreError(
                f"{source}: not whole JSON ({error}); expected a {self.name} written by {self.writer}"
            ) from error
        if not isinstance(content, Mapping) or content.get("kind") != self.kind:
            raise StoreError(
                f"{source}: not a {self.name} (no kind {self.kind!r} in it); give a file that {self.writer} wrote"
            )
        schema = content.get("schema")
        if not isinstance(schema, int) or schema > self.schema:
            raise StoreError(
                f"{source}: {self.name} schema {schema}, this benchbed reads up to {self.schema}; update benchbed to read it"
            )
        return dict(content)

    def damaged(self, error: Exception, source: str) -> StoreError:
        """What to raise where a field is missing or of another type."""
        return StoreError(f"{source}: the {self.name} is damaged ({error!r}); delete it and measure again")

    def check(self, found: str, said: object, source: str) -> None:
        """Compare the id that the content gives with the one that stands in the file.

        Raises:
            StoreError: they differ.
        """
        if found != said:
            raise StoreError(
                f"{source}: its content gives id {found}, but it says {said}: it was edited after it was written; "
                f"{self.name}s are immutable, restore it or measure again"
            )


def digest(content: Mapping[str, Any]) -> str:
    """The id of plain values: 12 hexadecimal digits that do not depend on the order of keys."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
