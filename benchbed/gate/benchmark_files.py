"""Two files of pytest-benchmark, held against each other. Free of torch.

They were not measured side by side, so the margin is that of runs apart: on this kind of machine identical code measured
one after the other was off by up to 8.6 % (performance.md, section 8). A benchmark named as the reference takes out what
slows everything alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from benchbed.errors import StoreError, UsageError
from benchbed.gate.finding import Finding, Outcome, Verdict
from benchbed.gate.judging import ALARMS, LEVEL, POWER, Limits, limits
from benchbed.gate.statistics import Shift, percent

SEQUENTIAL: Final = (0.10, 0.25)  # margin and effect: above the 8.6 % of identical code
REFERRED: Final = (0.06, 0.15)  # with a reference benchmark, as for baselines of the same machine
MEDIAN_ERROR: Final = math.sqrt(math.pi / 2)  # of a median, against a mean, of normal samples
NORMAL_IQR: Final = 2 * NormalDist().inv_cdf(0.75)  # interquartile range of a unit normal
COMPARABLE: Final = ("node", "machine", "python_version", "python_implementation")


@dataclass(frozen=True)
class Timed:
    """One benchmark: the logarithm of its median, that median's standard error (relative), rounds, seconds."""

    log_median: float
    error: float
    rounds: int
    seconds: float


@dataclass(frozen=True)
class BenchmarkFile:
    """Attributes:
    path: for messages.
    machine: pytest-benchmark's `machine_info`.
    commit: of `commit_info`.
    timed: full name -> what was timed.
    """

    path: Path
    machine: dict[str, Any]
    commit: str
    timed: dict[str, Timed]

    @property
    def words(self) -> str:
        """For a verdict."""
        return f"{self.path.name}{f' ({self.commit[:10]})' if self.commit else ''}"


def is_benchmark_file(content: Mapping[str, Any]) -> bool:
    """Whether pytest-benchmark wrote it."""
    return "benchmarks" in content and "machine_info" in content


def read_benchmarks(content: Mapping[str, Any], path: Path) -> BenchmarkFile:
    """Take out what the gate needs.

    Raises:
        StoreError: no benchmark in it, or fields are missing.
    """
    try:
        timed = {each["fullname"]: _timed(each["stats"]) for each in content["benchmarks"]}
        machine = dict(content["machine_info"])
        commit = str((content.get("commit_info") or {}).get("id") or "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"{path}: not whole as pytest-benchmark writes it ({error!r}); write it with pytest --benchmark-json={path}"
        ) from error
    if not timed:
        raise StoreError(f"{path}: holds no benchmark; write it with pytest --benchmark-json={path}")
    return BenchmarkFile(path, machine, commit, timed)


def _timed(stats: Mapping[str, Any]) -> Timed:
    data = [float(each) for each in stats.get("data") or ()]
    rounds = len(data) or int(stats["rounds"])
    median = float(np.median(data)) if data else float(stats["median"])
    spread = float(np.subtract(*np.percentile(data, [75, 25]))) if data else float(stats["iqr"])
    if not median > 0:
        raise ValueError(f"a median of {median} s")
    error = MEDIAN_ERROR * spread / NORMAL_IQR / median / math.sqrt(rounds) if rounds > 1 else math.inf
    return Timed(math.log(median), error, rounds, median)


def gate_benchmarks(
    before: BenchmarkFile, after: BenchmarkFile, asked: tuple[float, float] | None, reference: str | None
) -> Verdict:
    """Judge every benchmark that both files hold.

    Args:
        before, after: the two files.
        asked: the user's margin and effect; None for the defaults.
        reference: full name, or its end, of a benchmark that both divide by.

    Raises:
        UsageError: other machines without a reference, or an unknown reference.
    """
    _check_machines(before, after, reference)
    margin, effect = asked or (REFERRED if reference else SEQUENTIAL)
    verdict = Verdict(before.words, after.words, margin, effect)
    verdict.notes.append(
        "the two files were not measured side by side, so a slow-down must exceed "
        f"{margin:.0%} to be called one; benchbed gate --against measures closer"
    )
    yardsticks = _reference(before, reference), _reference(after, reference)
    common = [name for name in after.timed if name in before.timed and not _is(name, reference)]
    verdict.notes += [f"{name}: not in both files" for name in before.timed.keys() ^ after.timed.keys()]
    level = 1 - ALARMS / max(1, len(common))
    for name in common:
        shift = _shift(before.timed[name], after.timed[name], yardsticks)
        verdict.findings.append(
            _finding(name, before.timed[name], after.timed[name], shift, level, limits(margin, effect))
        )
    return verdict


def _check_machines(before: BenchmarkFile, after: BenchmarkFile, reference: str | None) -> None:
    if reference:
        return
    differing = [
        f"{name} {before.machine.get(name)} / {after.machine.get(name)}"
        for name in COMPARABLE
        if before.machine.get(name) != after.machine.get(name)
    ]
    brands = [_brand(each.machine) for each in (before, after)]
    if brands[0] != brands[1]:
        differing.append(f"cpu {brands[0]} / {brands[1]}")
    if differing:
        raise UsageError(
            f"{before.path} and {after.path}: measured on different machines ({'; '.join(differing)}), so their times cannot be "
            "compared; give a benchmark that both hold as --reference NAME, or measure both on one machine"
        )


def _brand(machine: Mapping[str, Any]) -> str:
    cpu = machine.get("cpu")
    return str(cpu.get("brand_raw", "")) if isinstance(cpu, Mapping) else ""


def _is(name: str, reference: str | None) -> bool:
    return bool(reference) and (name == reference or name.endswith(f"::{reference}"))


def _reference(file: BenchmarkFile, reference: str | None) -> Timed | None:
    if not reference:
        return None
    found = [name for name in file.timed if _is(name, reference)]
    if len(found) != 1:
        raise UsageError(
            f"--reference {reference}: {len(found)} benchmarks of that name in {file.path}; expected one of "
            f"{', '.join(list(file.timed)[:5])}"
        )
    return file.timed[found[0]]


def _shift(before: Timed, after: Timed, yardsticks: Sequence[Timed | None]) -> Shift:
    value, errors = after.log_median - before.log_median, [before.error, after.error]
    old, new = yardsticks
    if old is not None and new is not None:
        value -= new.log_median - old.log_median
        errors += [old.error, new.error]
    rounds = min(before.rounds, after.rounds)
    return Shift(value, math.hypot(*errors), max(1.0, rounds - 1.0), rounds)


def _finding(name: str, before: Timed, after: Timed, shift: Shift, level: float, limit: Limits) -> Finding:
    outcome = Outcome.INCONCLUSIVE
    if shift.low(level) > limit.margin:
        outcome = Outcome.REGRESSED
    elif shift.high(LEVEL) < limit.effect:
        outcome = Outcome.PASS
    return Finding(
        name,
        "latency",
        "",
        outcome,
        1000 * before.seconds,
        1000 * after.seconds,
        "ms",
        percent(shift.value),
        percent(shift.low(LEVEL)),
        percent(shift.high(LEVEL)),
        percent(shift.visible(limit.margin, level, POWER)),
        shift.rounds,
        "more rounds would tell" if outcome is Outcome.INCONCLUSIVE else "",
    )
