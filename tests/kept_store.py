"""A store with records and kept predictions of several methods on made-up photos, for tests of galleries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from example_record import example_record
from numpy.typing import NDArray
from rich.console import Console

from benchbed.datasets.dataset import Sample
from benchbed.keeping import Keeper
from benchbed.kept import Kept, dataset_folder
from benchbed.metrics import Counts, count_image
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record

IMAGES = 8


def scene(index: int, size: tuple[int, int] = (60, 80), classes: int = 20) -> Sample:
    """Blocks of classes with a border of ignored pixels."""
    draw = np.random.default_rng(index)
    blocks = draw.integers(0, classes, (3, 4))
    rows = np.arange(size[0]) * 3 // size[0]
    columns = np.arange(size[1]) * 4 // size[1]
    labels = blocks[rows][:, columns].astype(np.uint8 if classes < 255 else np.uint16)
    labels[:4] = labels[:, :4] = ignore(classes)
    photo = draw.integers(0, 256, (*size, 3)).astype(np.uint8)
    return Sample(f"{index:06d}", photo, labels)


def ignore(classes: int) -> int:
    """The value of ignored pixels."""
    return 255 if classes < 255 else 65535


def guess(sample: Sample, wrong: float, seed: int, classes: int = 20) -> NDArray[np.integer]:
    """The truth, but for a share of the pixels."""
    draw = np.random.default_rng(seed)
    noise = draw.integers(0, classes, sample.labels.shape)
    spoilt = (draw.random(sample.labels.shape) < wrong) | (sample.labels == ignore(classes))
    return np.where(spoilt, noise, sample.labels).astype(sample.labels.dtype)


def write_store(
    folder: Path,
    methods: dict[str, float],
    kind: str = "packaged",
    size: tuple[int, int] = (60, 80),
    classes: int = 20,
    names: list[str] | None = None,
    keep: int = 10**7,
) -> list[Record]:
    """Records of methods (label -> share of wrong pixels) and all their predictions, in one store."""
    scenes = [scene(i, size, classes) for i in range(IMAGES)]
    store = RecordStore(folder)
    store.prepare()
    return [
        _write(store, label, wrong, number, kind, scenes, classes, names, keep)
        for number, (label, wrong) in enumerate(methods.items())
    ]


def _write(
    store: RecordStore,
    label: str,
    wrong: float,
    number: int,
    kind: str,
    scenes: list[Sample],
    classes: int,
    names: list[str] | None,
    keep: int,
) -> Record:
    guesses = [guess(each, wrong, 100 * number + i, classes) for i, each in enumerate(scenes)]
    pairs = list(zip(guesses, scenes, strict=True))
    rows = [count_image(g, s.labels, classes, ignore(classes), s.id) for g, s in pairs]
    record = _record(
        label, kind, number, Counts.from_images(rows), names or [f"c{k}" for k in range(classes)]
    )
    store.write(record)
    place = Kept(
        dataset_folder(store.folder, "voc", "i") / f"{label.replace('/', '-')}-paper-0",
        label,
        record.method["weights"]["sha256"],
        "voc",
        "i",
        record.protocol["fingerprint"],
        ignore(classes),
        (),
    )
    keeper = Keeper(place, classes, keep, Reporter(Console(quiet=True)))
    for g, s in pairs:
        keeper.offer(s, g)
    keeper.write()
    return record


def _record(label: str, kind: str, number: int, counts: Counts, names: list[str]) -> Record:
    first = example_record(label)
    weights: dict[str, Any] = {
        **first.method["weights"],
        "kind": kind,
        "file": "w",
        "sha256": f"{number:064d}",
    }
    seen = [k % 4 != 3 for k in range(len(names))]
    dataset = {**first.dataset, "names": names, "seen": seen, "prompts": names}
    return example_record(label, method={**first.method, "weights": weights}, dataset=dataset, counts=counts)
