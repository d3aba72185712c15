"""A sentence of a paper as data: metric, who against whom, interval, conditions, source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Comparison = Literal["times less", "difference", "alone"]
Over = Literal["every", "some"]
COMPARISONS: Final[dict[Comparison, str]] = {
    "times less": "the opponent's figure divided by the subject's",
    "difference": "the subject's figure minus the opponent's",
    "alone": "the subject's figure",
}
OVERS: Final[tuple[Over, ...]] = ("every", "some")


@dataclass(frozen=True)
class Metric:
    """What a claim can be about: how it is compared, in which unit, and in words."""

    comparison: Comparison
    unit: str
    words: str


# "x": times; "points": percentage points; "%": share of pixels.
METRICS: Final = {
    "latency": Metric("times less", "x", "latency of one image"),
    "trainable": Metric("times less", "x", "trainable parameters"),
    "params": Metric("times less", "x", "parameters"),
    "gflops": Metric("times less", "x", "FLOPs of one image, text left out"),
    "miou": Metric("difference", "points", "mIoU"),
    "seen_miou": Metric("difference", "points", "mIoU of the seen classes"),
    "unseen_miou": Metric("difference", "points", "mIoU of the unseen classes"),
    "hiou": Metric("difference", "points", "hIoU"),
    "label_sets": Metric(
        "alone", "%", "pixels that keep their class when a label set is reordered, any length"
    ),
}
ACCURACY: Final = ("miou", "seen_miou", "unseen_miou", "hiou")
COUNTED: Final = ("trainable", "params", "gflops")


@dataclass(frozen=True)
class Paper:
    """Where claims come from; `method` is the bench's name of what the paper is about."""

    method: str
    title: str
    venue: str
    year: int
    arxiv: str


@dataclass(frozen=True)
class Pair:
    """Who against whom. Exactly one opponent, or none where the comparison is `alone`.

    Attributes:
        subject: `method/variant`.
        against: `method/variant`, measured beside it.
        published: name of one of the claim's citations, whose opponent's number is quoted.
        missing: an opponent that cannot be measured here, and why; such a pair stays undecided.
    """

    subject: str
    against: str = ""
    published: str = ""
    missing: str = ""

    @property
    def opponent(self) -> str:
        """One of the three, for people; "" where there is none."""
        return self.against or self.published or self.missing


@dataclass(frozen=True)
class Conditions:
    """Under what the claim is meant to hold, as far as the paper says; None is unstated and any.

    Attributes:
        protocol: `paper` or `matched`.
        dataset: the bench's name.
        size: height and width of the image, pixels.
        classes, proposals, batch: numbers of them.
        precision: of the forward pass.
        hardware: `any`, `cpu` or `cuda`.
        weights: `any`, or `trained` where random ones say nothing.
        unstated: what the paper leaves open, in words.
    """

    protocol: str | None = None
    dataset: str | None = None
    size: tuple[int, int] | None = None
    classes: int | None = None
    proposals: int | None = None
    batch: int | None = None
    precision: str | None = None
    hardware: str = "any"
    weights: str = "any"
    unstated: str = ""


@dataclass(frozen=True)
class Sweep:
    """The condition along which a verdict may flip, and at which values it is measured."""

    axis: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Citation:
    """Two published numbers, looked up in results/published.

    Attributes:
        name: what pairs call it by.
        where: the table, in words.
        own: a table of the claim's own paper, which can contradict its sentence.
        metric: of the numbers: a figure's name (`throughput` for images a second).
        dataset, setting: as in `benchbed.report.published`.
        subject, against: methods as papers call them; `*` is the best other one.
        source: words that the source of both must contain, "" for any.
    """

    name: str
    where: str
    own: bool
    metric: str
    dataset: str
    setting: str
    subject: str
    against: str
    source: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim; `low` and `high` are the interval claimed, in `unit`, ends may be infinite.

    Attributes:
        name: what it is called on the command line.
        paper: whose it is.
        sentence: what the paper says, in words.
        source: where that was read.
        unread: what could not be read, "" for nothing.
        metric, comparison, unit: see `METRICS`.
        low, high: supported if the measured interval lies above `low` and not above `high`.
        over: whether every pair must hold or some ("up to").
        pairs: who against whom.
        stand_ins: small pairs whose result is shown but decides nothing.
        conditions, sweep, citations: see there.
        file: where it was read from.
    """

    name: str
    paper: Paper
    sentence: str
    source: str
    metric: str
    low: float
    high: float
    pairs: tuple[Pair, ...]
    over: Over = "every"
    unread: str = ""
    stand_ins: tuple[Pair, ...] = ()
    conditions: Conditions = Conditions()
    sweep: Sweep | None = None
    citations: tuple[Citation, ...] = ()
    file: str = ""

    @property
    def unit(self) -> str:
        """Of the interval."""
        return METRICS[self.metric].unit

    @property
    def comparison(self) -> Comparison:
        """How two figures become the claim's number."""
        return METRICS[self.metric].comparison

    @property
    def interval_text(self) -> str:
        """The interval claimed, e.g. "4 to 7 x" or "more than 0 points"."""
        if math.isinf(self.high):
            return f"more than {self.low:g} {self.unit}"
        return f"{self.low:g} to {self.high:g} {self.unit}"

    def side_of(self, low: float, high: float) -> Literal["inside", "below", "above", "across"]:
        """Where a measured interval lies with respect to the one claimed."""
        if high <= self.low:
            return "below"
        if low > self.high:
            return "above"
        return "inside" if low > self.low and high <= self.high else "across"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every `method/variant` that its pairs need measured, each once."""
        sides = [label for pair in self.pairs for label in (pair.subject, pair.against)]
        return tuple(dict.fromkeys(label for label in sides if label))
