"""Full-size methods timed in units of one CLIP crop, round by round beside it."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchbed import load_method
from benchbed.cost.memory import PeakMemory, measure_peak
from benchbed.cost.stage_marks import StageMarks
from benchbed.inference import Inference
from benchbed.registry import choose
from benchbed.scores import MaskScores, label_maps
from benchbed.vocabulary import Vocabulary

CROPS: Final = 100  # in one batch: what a two-stream method sends through CLIP
CROP_SIDE: Final = 224  # pixels
THREADS: Final = 2  # of the official figures
ROUNDS: Final = 3
TURN_S: Final = 6.0  # a method's turn is filled with calls up to about this
MOST_CALLS: Final = 5
NAMES: Final = tuple(f"thing {number}" for number in range(20))  # as many as VOC has
# shared/reference/methods/official-timing.md: EPYC, 2 threads, CLIP's 26.5 s for 100 crops.
OFFICIAL_CROP_S: Final = 0.265
MIB: Final = 2**20


@dataclass(frozen=True)
class Candidate:
    """One full-size method beside the official code's figure.

    Attributes:
        name: `method/variant`.
        side: of the square input, pixels.
        official_s: the official code's seconds where a crop took `OFFICIAL_CROP_S`, its text tower left out.
        official: the same in units, as issue 3 rounds it.
        target: the most units that are allowed.
        crops: how many crops it must send through CLIP.
    """

    name: str
    side: int
    official_s: float
    official: float
    target: float
    crops: int = 0


CANDIDATES: Final = (
    Candidate("san/vit-b16", 640, 1.48, 5.6, 0.8 * 5.6),
    Candidate("san/vit-l14", 640, 4.94, 18.6, 0.8 * 18.6),
    Candidate("deop/r101c-vit-b16", 512, 1.8, 6.8, 0.8 * 6.8),
    Candidate("zegformer/r101", 640, 28.9, 109, 103, crops=CROPS),
    Candidate("simseg/r101c", 640, 29.2 - 1.26, 105, 103, crops=CROPS),
    Candidate("lseg/vitl16", 480, 5.1, 19.2, 0.8 * 19.2),
)


@dataclass(frozen=True)
class Turn:
    """The mean of some calls: seconds on the wall, seconds of processor time, and wall seconds by stage."""

    wall_s: float
    cpu_s: float
    stages_s: Mapping[str, float]


@dataclass
class Measured:
    """All turns of one candidate in their order: ours[0], crop[0], ours[1], crop[1], ..., ours[-1].

    A batch of crops stands between two turns of the method, and is compared with the mean of both, so that a machine that
    gets busier or calmer falls on both alike.
    """

    candidate: Candidate
    ours: list[Turn] = field(default_factory=list)
    crop: list[Turn] = field(default_factory=list)
    peak: PeakMemory | None = None
    largest: int = 0

    @property
    def rounds(self) -> list[float]:
        """Units by the clock on the wall, a batch of crops each."""
        means = [fmean((before.wall_s, after.wall_s)) for before, after in pairwise(self.ours)]
        return [mine / crop.wall_s for mine, crop in zip(means, self.crop, strict=True)]

    @property
    def units(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def cpu_units(self) -> float:
        """The same by processor time, which a busy neighbour hardly moves."""
        means = [fmean((before.cpu_s, after.cpu_s)) for before, after in pairwise(self.ours)]
        return median(mine / crop.cpu_s for mine, crop in zip(means, self.crop, strict=True))

    @property
    def seconds(self) -> float:
        """Of one call, the median of the turns."""
        return median(turn.wall_s for turn in self.ours)

    @property
    def threads_got(self) -> float:
        """Processor seconds a second of wall: near `THREADS` where nobody else ran."""
        return median(turn.cpu_s / turn.wall_s for turn in (*self.ours, *self.crop))

    def stage_s(self, stage: str) -> float:
        """Seconds in a stage, the median of the turns."""
        return median(turn.stages_s.get(stage, 0.0) for turn in self.ours)


def picture(side: int) -> NDArray[np.uint8]:
    """A structured image [side, side, 3]: lit ground, stripes, boxes and discs; the same at every size."""
    y, x = np.mgrid[0:side, 0:side] / side
    image = np.stack([90 + 120 * x, 60 + 140 * y, 170 - 90 * x * y], -1)
    image += 25 * np.sin(40 * (x + 2 * y))[..., None]
    random = np.random.default_rng(0)
    for index in range(12):
        left, top, size = random.uniform(0, 0.8), random.uniform(0, 0.8), random.uniform(0.08, 0.35)
        box = (abs(x - left - size / 2) < size / 2) & (abs(y - top - size / 2) < size / 2)
        disc = (x - left) ** 2 + (y - top) ** 2 < (size / 2) ** 2
        image[disc if index % 2 else box] = random.uniform(0, 255, 3)
    return image.clip(0, 255).astype(np.uint8)


def built(candidate: Candidate) -> Inference:
    """With random weights, at the candidate's input size, its text encoded already."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        segmenter = load_method(candidate.name)
    spec = choose(candidate.name).variant.inputs["*"]
    segmenter.set_input(spec.at(candidate.side, 4 * candidate.side))
    vocabulary = Vocabulary(NAMES, (True,) * 15 + (False,) * 5)
    inference = Inference(segmenter, vocabulary, torch.device("cpu"))
    inference.text()
    return inference


class LargestTensor(TorchDispatchMode):
    """Notes the most numbers that any operator's result holds: exact, where a resident set has the allocator's habits in it."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, Tensor):
                self.numbers = max(self.numbers, each.numel())
        return result


def check_work(inference: Inference, candidate: Candidate) -> int:
    """That the timed call does the whole work: finite scores at the right size, and every crop through CLIP.

    Returns:
        how many numbers the largest tensor on the way holds.
    """
    seen: list[int] = []
    tower: Any = getattr(inference.segmenter, "visual", None)
    watch = (
        tower.conv1.register_forward_hook(lambda _, given, __: seen.append(len(given[0]))) if tower else None
    )
    largest = LargestTensor()
    with largest:
        batch = inference.batch(picture(candidate.side))
        scores = inference.scores(batch)
        (labels,) = label_maps(scores)
    if watch is not None:
        watch.remove()
    assert tuple(batch.tensor.shape) == (1, 3, *labels.shape) == (1, 3, candidate.side, candidate.side)
    parts = (scores.mask_logits, scores.class_scores) if isinstance(scores, MaskScores) else (scores.logits,)
    assert all(bool(part.isfinite().all()) for part in parts), f"{candidate.name}: random weights overflow"
    if candidate.crops:
        assert sum(seen) == candidate.crops, f"{candidate.name}: {sum(seen)} crops went through CLIP"
    return largest.numbers


def turn(call: Callable[[], object], calls: int, units: int = 1) -> Turn:
    """Time `calls` calls in a row; means a call and, where a call does several things alike, a unit of them."""
    marks = StageMarks(time.perf_counter)
    gc.collect()
    cpu = time.process_time()
    with marks.running():
        for _ in range(calls):
            call()
    cpu = time.process_time() - cpu
    stages = {name: spent / calls for name, spent in marks.ledger(lambda begin, end: end - begin).items()}
    return Turn(sum(stages.values()) / units, cpu / calls / units, stages)


def measure(candidate: Candidate, yardstick: nn.Module, crops: Tensor) -> Measured:
    """Build, check, warm up, measure memory, alternate with the yardstick, and let go.

    Args:
        candidate: what to build.
        yardstick: CLIP's image tower, warm already.
        crops: [CROPS, 3, CROP_SIDE, CROP_SIDE].
    """
    found, inference, image = Measured(candidate), built(candidate), picture(candidate.side)
    found.largest = check_work(inference, candidate)
    warm = turn(lambda: inference.labels(image), 1)
    found.peak = measure_peak(lambda: inference.labels(image), inference.segmenter, "cpu")
    calls = max(1, min(MOST_CALLS, math.ceil(TURN_S / warm.wall_s)))
    found.ours.append(turn(lambda: inference.labels(image), calls))
    for _ in range(ROUNDS):
        with torch.inference_mode():
            found.crop.append(turn(lambda: yardstick(crops), 1, CROPS))
        found.ours.append(turn(lambda: inference.labels(image), calls))
    return found
