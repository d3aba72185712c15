"""Accuracy over training seeds: each seed with its interval over images, how far they lie apart, and how sure each one is."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from benchbed.report.block_table import KIND_NOTES
from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure
from benchbed.report.footnotes import common, key, of_row
from benchbed.report.published import Published
from benchbed.report.rows import About, Row
from benchbed.report.seeds import replicates, siblings, training_of
from benchbed.report.table import Cell, Table, number, text, unique

SPLIT: Final = ("seen_miou", "unseen_miou", "hiou")
WHOLE: Final = ("miou",)
ABOUT: Final[tuple[About, ...]] = ("all", "accuracy")
NOTES: Final = (
    "[low, high]: 95 % bootstrap interval over images, of one training's figure",
    "s.d. of seeds: standard deviation over trainings that differ in their seed alone, n - 1 in its divisor; of few seeds itself "
    "uncertain: of three, its 95 % interval goes from half of it to six times",
    "s.e. over images: standard deviation of the bootstrap over images, its mean over the seeds",
    KIND_NOTES["derived"],
)


def seeds_tables(rows: Sequence[Row], published: Sequence[Published]) -> tuple[Table, ...]:
    """A table for each group of comparable rows in which any recipe of any method was trained with two seeds or more.

    Weights whose training is not known are left out: nobody can say that they differ in their seed alone.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.ranked and training_of(row):
            groups[row.group].append(row)
    found = [[each for each in siblings(group) if len(each) > 1] for _, group in sorted(groups.items())]
    return tuple(_table(several, place) for place, several in enumerate(filter(None, found), 1))


def _table(several: Sequence[tuple[Row, ...]], place: int) -> Table:
    rows = [row for each in several for row in each]
    metrics = SPLIT if _has_split(rows[0]) else WHOLE
    shared = common(rows, ABOUT)
    said = [f"{row.label}: {each}" for row in rows for each in of_row(row, ABOUT) if key(each) not in shared]
    of = rows[0].provenance
    lines: list[tuple[Cell, ...]] = []
    sections: list[tuple[int, str]] = []
    for each in several:
        sections.append((len(lines), f"{each[0].label}, recipe {training_of(each[0])['recipe']}"))
        lines += _lines(each, metrics)
    return Table(
        f"Training seeds: {rows[0].dataset}, {of.coverage}, protocol {of.protocol} {of.fingerprint}",
        ("seed", *[f"{FIGURES[name].heading} %" for name in metrics]),
        tuple(lines),
        unique((*NOTES, *[note for each in several for note in _apart(each)], *shared.values(), *said)),
        sections=tuple(sections),
        name=f"seeds-{place}",
    )


def _has_split(row: Row) -> bool:
    seen = row.record.dataset["seen"] if row.record else ()
    return any(seen) and not all(seen)


def _lines(each: Sequence[Row], metrics: Sequence[str]) -> list[tuple[Cell, ...]]:
    """A line a seed, then mean and both spreads."""
    ordered = sorted(each, key=lambda row: int(training_of(row)["seed"]))
    values = {name: [_value(row, name) for row in ordered] for name in metrics}
    errors = [_errors(row, metrics) for row in ordered]
    lines = [
        (
            text(training_of(row)["seed"]),
            *[number(row.figure(name), 1, record=row.provenance.record) for name in metrics],
        )
        for row in ordered
    ]
    summary = {
        f"mean of {len(ordered)}": [float(np.mean(values[name])) for name in metrics],
        "s.d. of seeds": [float(np.std(values[name], ddof=1)) for name in metrics],
        "s.e. over images": [float(np.mean([error[name] for error in errors])) for name in metrics],
    }
    return [*lines, *[(text(what), *[_derived(value) for value in found]) for what, found in summary.items()]]


def _value(row: Row, metric: str) -> float:
    figure = row.figure(metric)
    return math.nan if figure is None else figure.value


def _errors(row: Row, metrics: Sequence[str]) -> Mapping[str, float]:
    draws = replicates(row)
    return {name: float(np.nanstd(draws[name], ddof=1)) for name in metrics}


def _derived(value: float) -> Cell:
    return number(Figure(value, math.nan, math.nan, "%", "derived"), 1)


def _apart(each: Sequence[Row]) -> list[str]:
    """What else the trainings of one line differ in, and seeds that occur twice."""
    trainings = [training_of(row) for row in each]
    seeds = [training["seed"] for training in trainings]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    inits, code = ({_same(training.get(name)) for training in trainings} for name in ("init", "bench"))
    found = [f"seed {seed} was trained more than once, with other weights each time" for seed in twice]
    found += ["trainings started from different files"] if len(inits) > 1 else []
    found += ["trainings ran on different versions of benchbed"] if len(code) > 1 else []
    return [f"{each[0].label}: {sentence}" for sentence in found]


def _same(facts: object) -> str:
    """Plain values as a text that does not depend on the order of keys."""
    return json.dumps(facts, sort_keys=True, default=str)
