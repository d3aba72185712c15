"""A small store for the page's tests: blocks of colour as photos, methods that are wrong here and there, kept predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from example_record import example_latency, example_record
from numpy.typing import NDArray

from benchbed.datasets.dataset import Sample
from benchbed.keeping import Keeper
from benchbed.kept import Kept, dataset_folder
from benchbed.metrics import IGNORE, Counts, count_image
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.report.content import Report, make_report
from benchbed.report.page import page_html
from benchbed.report.page.claim_lines import ClaimLines

NAMES = ("cat", "dog", "tree & bush", "sky", "road", "<b>bold</b>", "cup_50%", "\N{GRINNING FACE} face")
SEEN = (True, True, True, True, True, True, False, False)
IMAGES = 24
SIZE = (48, 64)
NOTHING = ClaimLines((), 0)


@dataclass(frozen=True)
class Made:
    """A method of the store: its label, how much it gets wrong (0..1), its latency as a multiple of 100 ms, its family."""

    label: str
    wrong: float
    scale: float
    family: str = "pixel"
    random: bool = False


METHODS = (
    Made("san/vit-b16", 0.10, 0.5, "single-pass"),
    Made("deop/r101c-vit-b16", 0.14, 0.7, "single-pass"),
    Made("zegformer/r101", 0.20, 4.0, "two-stream"),
    Made("lseg/vitl16", 0.45, 1.2),
    Made("maskclip/vit-b16", 0.60, 0.3, random=True),
)


def truths(count: int = IMAGES, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Label maps of 4 x 4 blocks, some of them ignored; every class occurs."""
    draw = np.random.default_rng(seed)
    blocks = [draw.permutation(np.arange(16) % (len(NAMES) + 1)).reshape(4, 4) for _ in range(count)]
    values = np.append(np.arange(len(NAMES)), IGNORE).astype(np.uint8)
    return [np.kron(values[each], np.ones((SIZE[0] // 4, SIZE[1] // 4), np.uint8)) for each in blocks]


def predicted(truth: NDArray[np.uint8], wrong: float, seed: int) -> NDArray[np.uint8]:
    """The truth, with a share of its 2 x 2 pixel blocks given another class."""
    draw = np.random.default_rng(seed)
    shape = (SIZE[0] // 2, SIZE[1] // 2)
    flip = np.kron(draw.random(shape) < wrong, np.ones((2, 2), bool))
    other = np.kron(draw.integers(0, len(NAMES), shape), np.ones((2, 2), int)).astype(np.uint8)
    return np.where(flip | (truth == IGNORE), other, truth).astype(np.uint8)


def made_record(made: Made, seed: int = 0, **changes: Any) -> tuple[Record, list[NDArray[np.uint8]]]:
    """A method's record on the small dataset, and its predictions."""
    maps = truths()
    guesses = [predicted(truth, made.wrong, 1000 * seed + i) for i, truth in enumerate(maps)]
    counted = [
        count_image(guess, truth, len(NAMES), IGNORE, f"image-{i:02d}")
        for i, (guess, truth) in enumerate(zip(guesses, maps, strict=True))
    ]
    plain = example_record(made.label, seed)
    weights = {
        "kind": "file",
        "file": f"{made.label.replace('/', '_')}.pth",
        "sha256": f"{seed:064x}",
        "note": "",
    }
    fields: dict[str, Any] = {
        "method": {
            **plain.method,
            "card": {**plain.method["card"], "family": made.family},
            "weights": plain.method["weights"] if made.random else {**plain.method["weights"], **weights},
        },
        "dataset": {
            **plain.dataset,
            "name": "blocks",
            "title": "blocks of colour",
            "images": IMAGES,
            "full_size": IMAGES,
            "coverage": f"{IMAGES} of {IMAGES} images",
            "used_identity": f"i:{IMAGES}",
            "names": list(NAMES),
            "seen": list(SEEN),
            "prompts": list(NAMES),
        },
        "counts": Counts.from_images(counted),
        "cost": {**plain.cost, "latency": example_latency(seed, made.scale)},
        "environment": {**plain.environment, "machine": "0123456789ab"},
    }
    return example_record(made.label, seed, **{**fields, **changes}), guesses


def write_page_store(folder: Path, methods: Sequence[Made] = METHODS, keep: bool = True) -> list[Record]:
    """Write records, and kept predictions where asked for; all but the last two also under protocol `matched`."""
    store = RecordStore(folder)
    store.prepare()
    records = []
    for seed, made in enumerate(methods):
        record, guesses = made_record(made, seed)
        records.append(record)
        if keep:
            _keep(folder, record, guesses)
    for seed, made in enumerate(methods[:-2]):
        protocol = {
            **records[0].protocol,
            "name": "matched",
            "input": "short side 640",
            "fingerprint": "f" * 16,
        }
        records.append(made_record(made, seed, protocol=protocol)[0])
    for record in records:
        store.write(record)
    return records


def _keep(folder: Path, record: Record, guesses: Sequence[NDArray[np.uint8]]) -> None:
    dataset = record.dataset
    place = Kept(
        dataset_folder(folder, dataset["name"], dataset["identity"]) / record.label.replace("/", "-"),
        record.label,
        record.method["weights"]["sha256"],
        dataset["name"],
        dataset["identity"],
        record.protocol["fingerprint"],
        IGNORE,
        (),
    )
    keeper = Keeper(place, len(NAMES), 2**22, Reporter(quiet=True))
    draw = np.random.default_rng(7)
    for i, (truth, guess) in enumerate(zip(truths(), guesses, strict=True)):
        photo = np.stack([truth * 20, 255 - truth * 20, truth * 5 + 60], axis=-1)
        photo = (photo + draw.integers(0, 30, photo.shape)).clip(0, 255).astype(np.uint8)
        keeper.offer(Sample(f"image-{i:02d}", photo, truth), guess)
    keeper.write()


def page_report(folder: Path, records: Sequence[Record] = ()) -> Report:
    """A report of these records, or of a whole small store with kept predictions."""
    if records:
        store = RecordStore(folder)
        store.prepare()
        for record in records:
            store.write(record)
    else:
        write_page_store(folder)
    return make_report([folder])


def page_of(folder: Path, records: Sequence[Record] = ()) -> dict[str, Any]:
    """The data of such a report's page, without claims."""
    return data_of(page_html(page_report(folder, records), NOTHING))


def data_of(html: str) -> dict[str, Any]:
    """A page's data, read as a browser reads it."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def measured(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that have records."""
    return [row for row in data["rows"] if row["record"] is not None]
