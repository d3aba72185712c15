"""The gate's baseline file: what one tree measured, as ratios to the reference workload. JSON, immutable, free of torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchbed.errors import StoreError
from benchbed.gate.exact import readable
from benchbed.gate.facts import Facts

KIND: Final = "benchbed gate baseline"
SCHEMA: Final = 1


@dataclass(frozen=True)
class Baseline:
    """Attributes:
    protocol: dataset, number and content of the images, fingerprint of the protocol, version of the reference workload.
    environment: of `benchbed.cost.environment.Environment`: processor, machine, versions.
    tree: name, commit, dirty.
    methods: label -> `facts` (`Facts`), `log_ratios` (part -> one a round: log of its time over the reference's),
        `reference_ms` (one a round), `waits`.
    created: ISO 8601, UTC.
    """

    protocol: dict[str, Any]
    environment: dict[str, Any]
    tree: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    created: str
    schema: int = SCHEMA
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            content = asdict(self)
            del content["id"]
            object.__setattr__(self, "id", _digest(content))

    @property
    def words(self) -> str:
        """Where it comes from."""
        commit = str(self.tree.get("commit", ""))[:10] or "no commit"
        return f"baseline {self.id} ({commit}, {self.environment.get('cpu', 'unknown processor')})"

    def facts(self, label: str, source: str) -> Facts:
        """The exact facts of one method; StoreError where they are damaged."""
        return readable(label, self.methods[label]["facts"], source)


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def to_json(baseline: Baseline) -> str:
    """A baseline as JSON text."""
    return (
        json.dumps({"kind": KIND, **asdict(baseline)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read_json(path: Path, flag: str) -> dict[str, Any]:
    """A file's JSON object.

    Raises:
        StoreError: missing, empty, unreadable, or not whole JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{flag} {path}: cannot be read ({error}); make one with benchbed gate --write-baseline {path}"
        ) from error
    if not text.strip():
        raise StoreError(f"{flag} {path}: empty; make it anew with benchbed gate --write-baseline {path}")
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise StoreError(
            f"{flag} {path}: not whole JSON ({error}); expected a file of benchbed gate --write-baseline or of pytest-benchmark"
        ) from error
    if not isinstance(content, dict):
        raise StoreError(
            f"{flag} {path}: holds {type(content).__name__}, expected a file of benchbed gate --write-baseline "
            "or of pytest-benchmark"
        )
    return content


def baseline_from(content: Mapping[str, Any], source: str) -> Baseline:
    """Read a baseline back and check that nobody changed it.

    Args:
        content: the file's JSON object.
        source: the file's name, for messages.

    Raises:
        StoreError: another kind, a newer schema, damaged, edited, or without methods.
    """
    if content.get("kind") != KIND:
        raise StoreError(
            f"{source}: {_what(content)}; expected a file of benchbed gate --write-baseline or of pytest-benchmark"
        )
    schema = content.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StoreError(
            f"{source}: baseline schema {schema}, this benchbed reads up to {SCHEMA}; update benchbed to read it, or make the "
            "baseline anew"
        )
    plain = {name: value for name, value in content.items() if name not in ("kind", "id")}
    if _digest(plain) != content.get("id"):
        raise StoreError(
            f"{source}: its content gives id {_digest(plain)}, but it says {content.get('id')}: it was edited after it was "
            "written; restore it or make the baseline anew"
        )
    try:
        baseline = Baseline(**plain)
    except TypeError as error:
        raise StoreError(f"{source}: the baseline is damaged ({error}); make it anew") from error
    if not baseline.methods:
        raise StoreError(
            f"{source}: holds no method, so there is nothing to compare with; make it anew with benchbed gate --write-baseline"
        )
    return baseline


def _what(content: Mapping[str, Any]) -> str:
    kind = content.get("kind")
    return f"a {kind!r}" if isinstance(kind, str) else "not a baseline (no kind in it)"
