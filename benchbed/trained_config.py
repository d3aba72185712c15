"""What a training says, in the JSON beside its weights, of how the segmenter must be built around them. Free of torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

KIND: Final = "benchbed training"


def training_beside(path: Path | None) -> dict[str, Any]:
    """The JSON of `benchbed train` beside its weights; empty for a checkpoint of somebody else's.

    Args:
        path: of the weights, or None for none.
    """
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    if (
        not isinstance(content, dict)
        or content.get("kind") != KIND
        or content.get("file") != (path and path.name)
    ):
        return {}
    return content


def trained_config(path: Path | None) -> dict[str, Any]:
    """Keywords of the variant's `build` that its recipe set over the variant's own; empty for a checkpoint of somebody else's.

    Args:
        path: of the weights, or None for none.
    """
    return {name: _frozen(value) for name, value in training_beside(path).get("config", {}).items()}


def _frozen(value: Any) -> Any:
    """JSON's lists are the tuples that configurations consist of."""
    if isinstance(value, dict):
        return {key: _frozen(each) for key, each in value.items()}
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
