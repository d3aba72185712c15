"""A made-up but well-formed record, for tests of what works from records alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchbed.datasets.voc import DATASET
from benchbed.metrics import Counts
from benchbed.protocol import named
from benchbed.records import Record

IMAGES = 6
RUN = "0123456789ab"


def example_counts(seed: int = 0) -> Counts:
    """Counts of 6 images over VOC's 20 classes; every class occurs."""
    draw = np.random.default_rng(seed)
    labelled = draw.integers(50, 100, (IMAGES, 20))
    predicted = np.roll(labelled, 1, axis=1)
    intersection = np.minimum(labelled, predicted) - draw.integers(0, 40, (IMAGES, 20))
    return Counts(tuple(f"2007_{i:06d}" for i in range(IMAGES)), intersection, predicted, labelled)


def example_latency(seed: int = 0, scale: float = 1.0, run_id: str = RUN) -> dict[str, Any]:
    """Twelve rounds of about 100 ms times `scale`."""
    draw = np.random.default_rng(seed)
    backbone = (scale * draw.normal(80, 2, 12)).tolist()
    rest = (scale * draw.normal(20, 1, 12)).tolist()
    return {
        "total_ms": [a + b for a, b in zip(backbone, rest, strict=True)],
        "stage_ms": {"unaccounted": rest, "backbone": backbone},
        "first_call_ms": 300.0,
        "image_index": [i // 2 for i in range(12)],
        "unit": "ms",
        "run_id": run_id,
        "images": [{"id": f"2007_{i:06d}", "size": [375, 500]} for i in range(6)],
        "interleaved_with": 1,
    }


def example_record(label: str = "san/vit-b16", seed: int = 0, **changes: Any) -> Record:
    """A record on VOC under protocol `paper` with random weights; `changes` replace whole fields."""
    method, _, variant = label.partition("/")
    fields: dict[str, Any] = {
        "label": label,
        "method": {
            "name": method,
            "variant": variant,
            "card": {"title": "A Paper", "venue": "CVPR", "year": 2023, "supervised": False},
            "config": {},
            "from": "benchbed 0.1.0",
            "weights": {
                "kind": "random",
                "file": None,
                "seed": 0,
                "note": "random weights: accuracy means nothing",
                "sha256": "0" * 64,
            },
        },
        "dataset": {
            "name": "voc",
            "title": DATASET.title,
            "split": "val",
            "images": IMAGES,
            "full_size": 1449,
            "coverage": f"{IMAGES} of 1,449 images",
            "identity": "i",
            "used_identity": f"i:{IMAGES}",
            "embedded": False,
            "names": list(DATASET.names),
            "seen": list(DATASET.seen),
            "prompts": list(DATASET.names),
            "notes": list(DATASET.protocol_notes),
        },
        "protocol": {
            **named("paper", DATASET, "fp32", 2, "cpu").as_dict(),
            "resolved": {"input": {}, "text_per_image": False},
        },
        "counts": example_counts(seed),
        "cost": {
            "params": {"total": 157_840_307, "trainable": 8_370_866},
            "flops": {
                "total": 126_500_000_000,
                "text": 250_400_000_000,
                "image": "2007_000000",
                "input_size": [640, 864],
            },
            "latency": example_latency(seed),
            "memory": {"total_bytes": 300 * 2**20, "weights_bytes": 602 * 2**20, "how": "a way"},
        },
        "environment": {"cpu": "A Processor", "gpu": None, "commit": "", "dirty": None},
        "bench": {"version": "0.1.0", "commit": "", "dirty": None},
        "created": f"2026-11-21T04:00:{seed:02d}+00:00",
    }
    return Record(**{**fields, **changes})
