"""What the bench adds to the bare forward pass: the same photos through the network alone, and through `benchbed run`'s loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageFilter
from rich.console import Console
from voc_devkit import write_mask

from benchbed.accuracy_pass import make_keeper
from benchbed.cost.statistics import Estimate, paired_ratio
from benchbed.counting_pass import USUAL, count_into
from benchbed.datasets.dataset import Dataset
from benchbed.datasets.voc import DATASET
from benchbed.journal import Journal, journal
from benchbed.keeping import Keeper
from benchbed.plan import PlanItem
from benchbed.progress import Reporter
from benchbed.protocol import named
from benchbed.registry import choose
from benchbed.scores import label_maps
from benchbed.subject import Subject, make_subject
from benchbed.weights import RANDOM

SIZE: Final = (375, 500)  # height, width of most photos of VOC
KEEP: Final = 4_000_000  # bytes of kept predictions: the default of `benchbed run`
VAL: Final = 1449  # photos of VOC 2012's val split
QUIET: Final = Reporter(Console(quiet=True))


@dataclass
class Overhead:
    """Seconds a photo, one entry a chunk of photos; entries of the same chunk were measured one after the other.

    Attributes:
        name: `method/variant`.
        photos: how many were measured, each once.
        network: the network alone, from its prepared input to its scores.
        bare: the same and the label map at the photo's size: what every evaluation has to compute.
        bench: everything from files to journal and kept predictions, of whose writing at the end each chunk bears its share.
    """

    name: str
    photos: int
    network: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bench: list[float] = field(default_factory=list)

    def added(self) -> Estimate:
        """Bench over bare, the median over chunks with its interval; 1.05 is 5 % added."""
        return paired_ratio(self.bench, self.bare)

    def words(self) -> str:
        """One line."""
        added, whole = self.added(), paired_ratio(self.bench, self.network)
        return (
            f"{self.name}, {self.photos} photos: bare {1000 * median(self.bare):.1f} ms a photo, "
            f"bench {1000 * median(self.bench):.1f} ms: {_percent(added.value)} % "
            f"[{_percent(added.low)}, {_percent(added.high)}] (to the network alone, without label map: "
            f"{_percent(whole.value)} %)"
        )


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}"


def write_voc(root: Path, count: int) -> None:
    """A VOCdevkit of synthetic photos of VOC's size, about as large as VOC's JPEGs and as ragged as its masks."""
    folder = root / "VOCdevkit" / "VOC2012"
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    names = [f"2007_{number:06d}" for number in range(count)]
    for name in names:
        coarse = Image.fromarray(random.integers(0, 21, (12, 16), np.uint8))
        raw = np.asarray(
            coarse.resize((SIZE[1], SIZE[0]), Image.Resampling.NEAREST).filter(ImageFilter.ModeFilter(9))
        )
        write_mask(folder / "SegmentationClass" / f"{name}.png", raw.copy())
        noise = Image.fromarray(random.integers(0, 256, (*SIZE, 3), np.uint8))
        noise.filter(ImageFilter.GaussianBlur(2)).save(folder / "JPEGImages" / f"{name}.jpg", quality=92)
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("".join(f"{name}\n" for name in names))


def subject_of(name: str, dataset: Dataset, images: int) -> Subject:
    """A method with random weights under protocol `paper`, its text encoded."""
    protocol = named("paper", DATASET, "fp32", torch.get_num_threads(), "cpu")
    subject = make_subject(PlanItem(choose(name), dataset, protocol, RANDOM, images), torch.device("cpu"))
    subject.inference.text()
    return subject


def forward_s(subject: Subject, photos: Sequence[int], map_too: bool) -> float:
    """Seconds a photo of the forward pass on inputs that are prepared already."""
    inference, dataset = subject.inference, subject.item.dataset
    spent = 0.0
    for index in photos:
        with torch.inference_mode():
            batch = inference.batch(dataset.sample(index).image)
            begin = time.perf_counter()
            scores = inference.scores(batch)
            if map_too:
                label_maps(scores)
            spent += time.perf_counter() - begin
    return spent / len(photos)


def bench_s(subject: Subject, photos: Sequence[int], book: Journal, keeper: Keeper | None) -> float:
    """Seconds a photo of all that `benchbed run` does until an image is counted and kept."""
    before, begin = len(book.rows), time.perf_counter()
    count_into(book, subject, photos, USUAL, QUIET, keeper)
    spent = time.perf_counter() - begin
    assert len(book.rows) == before + len(photos)
    return spent / len(photos)


def fastest(names: Sequence[str], dataset: Dataset) -> str:
    """Which of the methods is fastest on one photo, warm."""
    times = {}
    for name in names:
        subject = subject_of(name, dataset, 1)
        times[name] = min(forward_s(subject, [0], True) for _ in range(3))
    return min(times, key=lambda name: times[name])


def measure(name: str, dataset: Dataset, photos: int, chunk: int, folder: Path) -> Overhead:
    """Bare passes and bench passes over chunks of photos, their order turned from chunk to chunk, each photo once.

    Journal and kept predictions are those of one run over all photos, as a user's; only reading ahead begins anew at each chunk.
    The room for kept predictions is in proportion to that for the whole split: as large a share of the photos is packed.
    """
    subject, found = subject_of(name, dataset, photos), Overhead(name, photos)
    forward_s(subject, [0], True)
    keeper = make_keeper(subject, folder, KEEP * photos // VAL, QUIET)
    folder.mkdir(parents=True, exist_ok=True)
    with journal(folder / "journal.jsonl", len(subject.vocabulary)) as book:
        for turn, first in enumerate(range(0, photos, chunk)):
            part = range(first, min(first + chunk, photos))
            steps = [
                lambda part=part: found.network.append(forward_s(subject, part, False)),
                lambda part=part: found.bare.append(forward_s(subject, part, True)),
                lambda part=part: found.bench.append(bench_s(subject, part, book, keeper)),
            ]
            for step in steps if turn % 2 else reversed(steps):
                step()
    begin = time.perf_counter()
    if keeper is not None:
        keeper.write()
    share = (time.perf_counter() - begin) / photos
    found.bench = [each + share for each in found.bench]
    return found
