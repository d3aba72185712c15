"""Made-up records of a whole comparison: two datasets, two protocols, trained, random and supervised weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from example_record import RUN, example_latency, example_record

from benchbed.metrics import Counts
from benchbed.records import Record

TRAINED = {"kind": "file", "file": "final.safetensors", "seed": None, "note": ""}


def counts(quality: float, images: int = 40, classes: int = 20, seed: int = 0) -> Counts:
    """Counts in which a share of about `quality` of each class's pixels is right."""
    draw = np.random.default_rng(seed)
    labelled = draw.integers(200, 400, (images, classes))
    right = (labelled * np.clip(quality + draw.normal(0, 0.05, labelled.shape), 0, 1)).astype(int)
    ids = tuple(f"2007_{i:06d}" for i in range(images))
    return Counts(ids, right, right + np.roll(labelled - right, 1, axis=1), labelled)


def trained(label: str, quality: float, seed: int = 0, scale: float = 1.0, **changes: Any) -> Record:
    """A record with trained weights on VOC under protocol `paper`; `scale` times 100 ms of latency."""
    record = example_record(label, seed)
    images = changes.pop("images", 40)
    method = {
        **record.method,
        "weights": {**TRAINED, "sha256": f"{seed:064d}", "not_for": {}},
        "card": {**record.method["card"], "year": changes.pop("year", 2023), "family": "single-pass"},
    }
    fields: dict[str, Any] = {
        "method": method,
        "counts": counts(quality, images, seed=seed),
        "dataset": {
            **record.dataset,
            "images": images,
            "coverage": f"{images} of 1,449 images",
            "used_identity": f"i:{images}",
        },
        "cost": {**record.cost, "latency": example_latency(seed, scale)},
        "environment": {**record.environment, "machine": "0123456789ab"},
    }
    return replace(record, **{**fields, **changes}, id="")


def on(record: Record, dataset: str, classes: Sequence[str] | None = None, **facts: Any) -> Record:
    """The record on another dataset, of the same classes unless told."""
    names = list(classes or record.dataset["names"])
    content = {**record.dataset, "name": dataset, "names": names, "identity": dataset, **facts}
    content["used_identity"] = f"{dataset}:{content['images']}"
    return replace(record, dataset=content, id="")


def under(record: Record, **fields: Any) -> Record:
    """The record under a protocol that differs in these fields."""
    fingerprint = "-".join(f"{name}{value}" for name, value in sorted(fields.items()))
    return replace(record, protocol={**record.protocol, **fields, "fingerprint": fingerprint}, id="")


def supervised(record: Record) -> Record:
    """The record of a method that was trained with masks of all classes."""
    card = {**record.method["card"], "supervised": True}
    return replace(record, method={**record.method, "card": card}, id="")


def comparison() -> list[Record]:
    """Nine records: four trained methods on VOC, two of them on COCO-Stuff too, one random, one supervised, one apart."""
    san, deop = trained("san/vit-b16", 0.9, 1, 0.5), trained("deop/r101c-vit-b16", 0.8, 2, 0.4)
    simseg = trained("simseg/r101c", 0.7, 3, 2.0, year=2022)
    zegformer = trained("zegformer/r101", 0.6, 4, 2.5, year=2022)
    random = replace(example_record("lseg/vitl16", 5), environment=san.environment, id="")
    reference = supervised(trained("deeplabv3/base", 0.97, 6, 0.2, year=2017))
    apart = under(trained("san/vit-l14", 0.95, 7, 1.5), threads=8)
    return [
        san,
        deop,
        simseg,
        zegformer,
        random,
        reference,
        apart,
        on(trained("san/vit-b16", 0.5, 8, 0.6), "coco-stuff"),
        on(trained("deop/r101c-vit-b16", 0.45, 9, 0.5), "coco-stuff"),
    ]


__all__ = ["RUN", "comparison", "counts", "on", "supervised", "trained", "under"]
