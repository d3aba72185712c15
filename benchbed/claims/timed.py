"""Latencies that may be divided by one another: those of one interleaved run, under the claim's conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchbed.claims.claim import Claim, Pair
from benchbed.claims.evidence import Evidence
from benchbed.claims.flips import flips
from benchbed.claims.outcome import Measured
from benchbed.cost.noise_floor import noise_floor
from benchbed.cost.statistics import paired_ratio
from benchbed.cost.stopping import NARROW_FROM
from benchbed.cost_records import CostRecord, Point
from benchbed.records import Record

OURS: Final = "times are of benchbed's implementations; reports/units.md sets them beside the official code's"


@dataclass(frozen=True)
class Side:
    """One method in a run: ms an image, round by round, and the median ms of its stages."""

    samples: list[float]
    stages: tuple[tuple[str, float], ...]
    proposals: int | None = None


@dataclass(frozen=True)
class TimedRun:
    """Two sides from one interleaved run.

    Attributes:
        labels: of the subject and its opponent.
        subject, against: the two.
        known: what is known of its conditions, by the names of `benchbed.claims.claim.Conditions`.
        machine: in words. hardware: `cpu` or `cuda`.
        evidence: ids of the records.
        warnings: what was said of the measurement.
        bias: how far identical work may lie apart by the run's A/A test, relative, at the end of its interval; 0 where that
            test told nothing apart, or there was none.
        cost: the cost record, which may hold a sweep, with its subjects' keys; None for records of `benchbed run`.
    """

    labels: tuple[str, str]
    subject: Side
    against: Side
    known: dict[str, Any]
    machine: str
    hardware: str
    created: str
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]
    bias: float = 0.0
    cost: tuple[CostRecord, str, str] | None = None


def timed_runs(claim: Claim, pair: Pair, evidence: Evidence) -> list[TimedRun]:
    """Every run that timed both sides of a pair together, oldest first, whatever its conditions."""
    found = [*_of_costs(claim, pair, evidence.costs), *_of_records(pair, evidence.records)]
    return sorted(found, key=lambda run: run.created)


def unmet(claim: Claim, run: TimedRun) -> list[str]:
    """The claim's conditions that a run does not meet, each as "classes 20, not 171"; what a run does not know passes."""
    wanted = claim.conditions
    names = ("protocol", "dataset", "size", "classes", "proposals", "batch", "precision")
    wrong = [
        f"{name} {_words(run.known[name])}, not {_words(getattr(wanted, name))}"
        for name in names
        if None not in (getattr(wanted, name), run.known.get(name))
        and run.known[name] != getattr(wanted, name)
    ]
    if wanted.hardware not in ("any", run.hardware):
        wrong.append(f"hardware {run.hardware}, not {wanted.hardware}")
    rounds = len(run.subject.samples)
    if rounds < NARROW_FROM:  # their interval would be too narrow to be believed
        wrong.append(f"{rounds} rounds, not {NARROW_FROM} or more")
    return wrong


def _words(value: Any) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else str(value)


def measured(claim: Claim, run: TimedRun) -> Measured:
    """How many times the subject's latency the opponent takes.

    Chance between rounds is in the interval already; where the run told identical work apart (a biased A/A test), the interval
    is widened by as much as that may be on both sides.
    """
    ratio = paired_ratio(run.against.samples, run.subject.samples)
    notes = [OURS, *run.warnings]
    if run.bias:
        notes.append(
            f"the interval is widened by {run.bias:.1%}: so far apart may identical work lie by the run's A/A test"
        )
    sides = zip(run.labels, (run.subject, run.against), strict=True)
    return Measured(
        ratio.value,
        ratio.low * (1 - run.bias),
        ratio.high * (1 + run.bias),
        where=_where(run),
        evidence=run.evidence,
        notes=tuple(notes),
        stages=tuple((label, side.stages) for label, side in sides),
        flips=flips(claim, *run.cost) if run.cost else (),
        hardware=run.hardware,
    )


def _where(run: TimedRun) -> str:
    known, parts = run.known, []
    if run.against.proposals or run.subject.proposals:
        parts.append(f"{run.against.proposals or run.subject.proposals} proposals")
    if known.get("size"):
        parts.append(f"{known['size'][0]}x{known['size'][1]} pixels")
    if known.get("dataset"):
        parts.append(f"on {known['dataset']}")
    parts += [f"{known['classes']} classes", f"batch {known['batch']}", str(known["precision"])]
    return f"{', '.join(parts)}, protocol {known['protocol']}, {run.machine}"


def _of_costs(claim: Claim, pair: Pair, costs: Sequence[CostRecord]) -> Iterator[TimedRun]:
    precision = claim.conditions.precision or "fp32"
    for record in costs:
        keys = [_subject(record, label, precision) for label in (pair.subject, pair.against)]
        if None in keys:
            continue
        subject, against = (str(key) for key in keys)
        points = [_point(record, key, claim) for key in (subject, against)]
        if points[0] is None or points[1] is None:
            continue
        base, sides = record.conditions, [_side(each) for each in points if each is not None]
        yield TimedRun(
            labels=(pair.subject, pair.against),
            subject=sides[0],
            against=sides[1],
            known={
                "protocol": record.protocol["name"],
                "size": base.size,
                "classes": base.classes,
                "batch": base.batch,
                "precision": precision,
                "proposals": sides[1].proposals or sides[0].proposals,
            },
            machine=machine_words(record.environment, record.protocol["threads"]),
            hardware=_kind(record.environment),
            created=record.created,
            evidence=(record.id,),
            warnings=record.warnings,
            bias=_bias(record),
            cost=(record, subject, against),
        )


def _subject(record: CostRecord, label: str, precision: str) -> str | None:
    """The key of a method run plainly: eager, in the usual memory layout."""
    plain = {"precision": precision, "compile": False, "channels_last": False}
    fitting = (
        k for k, each in record.subjects.items() if each["label"] == label and each["options"] == plain
    )
    return next(fitting, None)


def _point(record: CostRecord, key: str, claim: Claim) -> Point | None:
    """The subject's point at the claim's number of proposals where it was timed there, else at the base."""
    base, wanted = record.base_of(key), claim.conditions.proposals
    if base.proposals is not None and wanted is not None:
        return record.point(key, base.at("proposals", wanted)) or record.base(key)
    return record.base(key)


def _side(point: Point) -> Side:
    batch = point.conditions.batch
    stages = {
        name: float(np.median(times)) / batch for name, times in point.latency["stage_ms"].items() if times
    }
    return Side([ms / batch for ms in point.total_ms], tuple(stages.items()), point.conditions.proposals)


def _bias(record: CostRecord) -> float:
    if not record.null or len(record.null["first_ms"]) < 2:
        return 0.0
    found = noise_floor(record.null["first_ms"], record.null["second_ms"])
    return min(found.smallest_effect, 1.0) if found.biased else 0.0


def _of_records(pair: Pair, records: Sequence[Record]) -> Iterator[TimedRun]:
    timed = [r for r in records if r.cost.get("latency") and r.label in (pair.subject, pair.against)]
    for one in timed:
        for other in timed:
            runs = {r.cost["latency"]["run_id"] for r in (one, other)}
            if (one.label, other.label) == (pair.subject, pair.against) and len(runs) == 1:
                yield _of_two(one, other)


def _of_two(one: Record, other: Record) -> TimedRun:
    protocol, device = one.protocol, one.protocol["device"]
    return TimedRun(
        labels=(one.label, other.label),
        subject=_record_side(one),
        against=_record_side(other),
        known={
            "protocol": protocol["name"],
            "dataset": one.dataset["name"],
            "classes": len(one.dataset["names"]),
            "batch": 1,  # latency is of one image a call, whatever went forward together while counting
            "precision": protocol["precision"],
        },
        machine=machine_words(one.environment, protocol["threads"]),
        hardware=str(device),
        created=max(one.created, other.created),
        evidence=(one.id, other.id),
        warnings=tuple(dict.fromkeys((*one.warnings, *other.warnings))),
    )


def _record_side(record: Record) -> Side:
    latency = record.cost["latency"]
    stages = {name: float(np.median(times)) for name, times in latency["stage_ms"].items() if times}
    return Side(list(latency["total_ms"]), tuple(stages.items()))


def machine_words(environment: dict[str, Any], threads: int) -> str:
    """The processor with its threads, or the graphics card."""
    gpu = environment.get("gpu") or {}
    on_gpu = _kind(environment) == "cuda"
    return (
        str(gpu.get("name", "a CUDA device"))
        if on_gpu
        else f"{environment.get('cpu', 'a processor')}, {threads} thread{'s' if threads != 1 else ''}"
    )


def _kind(environment: dict[str, Any]) -> str:
    return "cuda" if str(environment.get("device", "cpu")).startswith("cuda") else "cpu"
