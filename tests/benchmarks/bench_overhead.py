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
from benchbed.counting_pass import USUAL, count_into
from benchbed.datasets.dataset import Dataset
from benchbed.datasets.voc import DATASET
from benchbed.journal import journal
from benchbed.plan import PlanItem
from benchbed.progress import Reporter
from benchbed.protocol import named
from benchbed.registry import choose
from benchbed.scores import label_maps
from benchbed.subject import Subject, make_subject
from benchbed.weights import RANDOM

SIZE: Final = (375, 500)  # height, width of most photos of VOC
KEEP: Final = 4_000_000  # bytes of kept predictions: the default of `benchbed run`
QUIET: Final = Reporter(Console(quiet=True))


@dataclass
class Overhead:
    """Seconds a photo, one entry a round.

    Attributes:
        name: `method/variant`.
        network: the network alone, from its prepared input to its scores.
        bare: the same and the label map at the photo's size: what every evaluation has to compute.
        bench: everything from files to journal and kept predictions.
    """

    name: str
    network: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bench: list[float] = field(default_factory=list)

    def added(self, to: str = "bare") -> float:
        """The share that the bench adds, the median over rounds; each round is compared with the bare ones around it."""
        alone: list[float] = getattr(self, to)
        pairs = zip(alone, self.bench, alone[1:], strict=False)
        return median(2 * bench / (before + after) - 1 for before, bench, after in pairs)

    def words(self) -> str:
        """One line."""
        return (
            f"{self.name}: bare {median(self.bare):.4f} s a photo, bench {median(self.bench):.4f} s: "
            f"{100 * self.added():+.1f} % (to the network alone, without label map: {100 * self.added('network'):+.1f} %)"
        )


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


def forward_s(subject: Subject, images: int, map_too: bool) -> float:
    """Seconds a photo of the forward pass on inputs that are prepared already."""
    inference, dataset = subject.inference, subject.item.dataset
    spent = 0.0
    for index in range(images):
        with torch.inference_mode():
            batch = inference.batch(dataset.sample(index).image)
            begin = time.perf_counter()
            scores = inference.scores(batch)
            if map_too:
                label_maps(scores)
            spent += time.perf_counter() - begin
    return spent / images


def bench_s(subject: Subject, images: int, folder: Path) -> float:
    """Seconds a photo of all that `benchbed run` does until an image is counted and kept."""
    folder.mkdir(parents=True)
    begin = time.perf_counter()
    keeper = make_keeper(subject, folder, KEEP, QUIET)
    with journal(folder / "journal.jsonl", len(subject.vocabulary)) as book:
        count_into(book, subject, range(images), USUAL, QUIET, keeper)
        assert len(book.rows) == images
    if keeper is not None:
        keeper.write()
    return (time.perf_counter() - begin) / images


def fastest(names: Sequence[str], dataset: Dataset) -> str:
    """Which of the methods is fastest on one photo, warm."""
    times = {}
    for name in names:
        subject = subject_of(name, dataset, 1)
        times[name] = min(forward_s(subject, 1, True) for _ in range(3))
    return min(times, key=lambda name: times[name])


def measure(name: str, dataset: Dataset, images: int, rounds: int, folder: Path) -> Overhead:
    """Bare passes and bench passes in turn, a bare one at both ends, so that a machine that changes falls on both alike."""
    subject, found = subject_of(name, dataset, images), Overhead(name)
    forward_s(subject, 1, True)
    for turn in range(rounds):
        found.network.append(forward_s(subject, images, False))
        found.bare.append(forward_s(subject, images, True))
        found.bench.append(bench_s(subject, images, folder / str(turn)))
    found.network.append(forward_s(subject, images, False))
    found.bare.append(forward_s(subject, images, True))
    return found
