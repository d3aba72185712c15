"""Rows with trained weights, of any accuracy and latency, for tests of plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from example_record import example_latency, example_record

from benchbed.metrics import Counts
from benchbed.report.collect import Collection, Entry
from benchbed.report.rows import Row, rows

FAMILIES = {"deop": "single-pass", "san": "single-pass", "zegformer": "two-stream", "simseg": "two-stream"}


def counts(quality: float, seed: int = 0, images: int = 40, classes: int = 20) -> Counts:
    """Counts with about this share of every class's pixels right."""
    draw = np.random.default_rng(seed)
    labelled = draw.integers(200, 400, (images, classes))
    right = (labelled * np.clip(draw.normal(quality, 0.12, labelled.shape), 0, 1)).astype(int)
    wrong = labelled - right
    return Counts(tuple(f"i{i}" for i in range(images)), right, right + np.roll(wrong, 1, axis=1), labelled)


def trained_record(
    label: str,
    quality: float = 0.6,
    scale: float = 1.0,
    seed: int = 0,
    kind: str = "packaged",
    **changes: Any,
) -> Any:
    """A record of `label` with trained weights whose latency is about 100 ms times `scale`."""
    first = example_record(label, seed)
    weights = {
        **first.method["weights"],
        "kind": kind,
        "file": "w.safetensors",
        "sha256": f"{seed:064d}",
        "note": "",
    }
    family = FAMILIES.get(first.method["name"], "pixel")
    card = {**first.method["card"], "family": family}
    classes = len(changes.get("dataset", first.dataset)["names"])
    fields: dict[str, Any] = {
        "method": {**first.method, "weights": weights, "card": card},
        "counts": counts(quality, seed, classes=classes),
        "cost": {**first.cost, "latency": example_latency(seed, scale)},
    }
    return example_record(label, seed, **{**fields, **changes})


def as_rows(records: list[Any]) -> tuple[Row, ...]:
    """The rows of records, in order."""
    return rows(Collection(tuple(Entry(record, f"{record.id}.json") for record in records)))
