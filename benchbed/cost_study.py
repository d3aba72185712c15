"""`benchbed cost` from request to record: build, time side by side, then count, weigh and compare, one subject at a time."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchbed import __version__
from benchbed.cost.conditions import Conditions
from benchbed.cost.contestant import PICTURES, Contestant, build
from benchbed.cost.contestant_facts import parts, who
from benchbed.cost.drift import drift_warnings
from benchbed.cost.environment import Environment, capture, noise_warnings
from benchbed.cost.interleaved import Interleaved, time_interleaved
from benchbed.cost.latency import LatencySamples, round_image
from benchbed.cost.matmul_peak import MatmulPeak, better, measure_matmul_peak
from benchbed.cost.noise_floor import noise_floor
from benchbed.cost.outputs import TimedOutputs
from benchbed.cost.request import CostRequest, contenders, protocol_facts
from benchbed.cost.throughput import budget, measure_throughput
from benchbed.cost_records import CostRecord, Point
from benchbed.device import resolve_device
from benchbed.errors import EXIT_INTERRUPTED
from benchbed.failures import Failure, failure
from benchbed.progress import Reporter

ALLOWED_S: Final = 120.0  # for the throughput of all subjects, where the rounds were given less


# Untimed calls of each after the cold one: a card's kernels are chosen and its clocks rise in them; a processor needs none.
WARM_UP: Final = {"cuda": 5}


@dataclass(frozen=True)
class StudyOutcome:
    """A record, None where nothing at all could be timed, what failed, and whether the user ended it before its time."""

    record: CostRecord | None
    failures: tuple[Failure, ...]
    interrupted: bool = False


@dataclass
class _Study:
    """A study under way.

    Attributes:
        contestants: what is measured, by key.
        outputs: what each returned while it was timed.
        facts: by key, ready for the record.
        points: timed places.
        failures: what could not be measured.
        interrupted: whether the user wants it to end; what was measured by then becomes the record.
    """

    request: CostRequest
    device: torch.device
    reporter: Reporter
    logs: Path
    contestants: dict[str, Contestant] = field(default_factory=dict)
    outputs: dict[str, TimedOutputs] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False

    def failed(self, item: str, part: str, error: Exception) -> None:
        """Note what went wrong."""
        found = failure(item, error, self.logs)
        self.lost(item, Failure(item, f"{part}: {found.message}", found.exit_code))

    def lost(self, item: str, found: Failure) -> None:
        """Note what could not be measured, in the subject's own list as well where it has one."""
        self.failures.append(found)
        if item in self.facts:
            self.facts[item]["failures"].append(found.message)

    def attempt(self, item: str, part: str, measure: Callable[[], Any]) -> None:
        """Measure one part of one subject; what goes wrong leaves the others alone."""
        try:
            self.facts[item][part] = measure()
        except Exception as error:
            self.failed(item, part, error)


def run_study(request: CostRequest, reporter: Reporter, logs: Path) -> StudyOutcome:
    """Measure everything that was asked for.

    Args:
        request: what.
        reporter: told what is being done.
        logs: an existing folder, where tracebacks of mistakes in a method go.

    Raises:
        BenchError: the request makes no sense, or a device or weights are not there.
        KeyboardInterrupt: interrupted before the fewest rounds that mean something; later, the outcome says so.
    """
    wanted = contenders(request)
    study = _Study(request, resolve_device(request.device), reporter, logs)
    _no_tf32()
    for contender in wanted:
        reporter.note(f"{contender.label}: building ({contender.weights.note or contender.weights.kind})")
        try:
            made = build(contender, request, study.device)
        except Exception as error:
            study.failed(contender.label, "build", error)
        else:
            study.contestants |= {each.key: each for each in made}
    if not study.contestants:
        return StudyOutcome(None, tuple(study.failures))
    return _measure(study)


def _no_tf32() -> None:
    """fp32 means fp32: CUDA's convolutions would otherwise round their factors to 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _measure(study: _Study) -> StudyOutcome:
    study.facts = {key: who(each, study.request.protocol) for key, each in study.contestants.items()}
    before = capture(study.device)
    peaks = _peaks(study)
    run = _time(study)
    study.interrupted = run.interrupted
    if run.interrupted:
        study.reporter.note("interrupted: writing what was measured")
    after, peaks = _afterwards(study, before, peaks)
    _untimed(study)
    warnings = _warnings(before, after, run)
    for warning in warnings:
        study.reporter.note(f"warning: {warning}")
    if not study.points:
        return StudyOutcome(None, tuple(study.failures), study.interrupted)
    record = _record(study, run, before, peaks, warnings)
    return StudyOutcome(record, tuple(study.failures), study.interrupted)


def _afterwards(
    study: _Study, before: Environment, peaks: dict[str, MatmulPeak]
) -> tuple[Environment, dict[str, MatmulPeak]]:
    """The machine after the rounds; where the user has no patience for that, as it was before them."""
    try:
        after = capture(study.device)
        return after, {name: better(peaks.get(name), each) for name, each in _peaks(study).items()}
    except KeyboardInterrupt:
        study.interrupted = True
        return before, peaks


def _untimed(study: _Study) -> None:
    """Operations, memory, predictions and throughput; an interruption ends them, and the record says what it lacks."""
    wanted: list[tuple[str, Callable[[], None]]]
    wanted = [(key, partial(_count, study, key)) for key in study.contestants]
    if study.request.throughput:
        wanted.append(("throughput", partial(_throughput, study)))
    for key, measure in wanted:
        if not study.interrupted:
            try:
                measure()
                continue
            except KeyboardInterrupt:
                study.interrupted = True
        study.lost(key, Failure(key, "interrupted: not measured to its end", EXIT_INTERRUPTED))


def _time(study: _Study) -> Interleaved:
    """Every subject at every place, interleaved in one run; what they return at their base is kept for comparison."""
    places: dict[str, tuple[str, Conditions]] = {}
    bases: dict[str, str] = {}
    for key, each in study.contestants.items():
        for number, place in enumerate(each.places):
            places[f"{key} #{number}"] = key, place
        bases[f"{key} #0"] = key
    calls = {name: study.contestants[key].places[place] for name, (key, place) in places.items()}
    rule = study.request.stopping
    title = f"latency: {len(calls)} calls a round, interleaved"
    study.reporter.note(
        f"latency: {len(calls)} calls, cold ones first, then rounds for at most about {rule.seconds:.0f} s"
    )
    with study.reporter.task(title, rule.most_rounds, at_most_s=rule.seconds) as tick:

        def after_round(rounds: int, returned: dict[str, Any]) -> None:
            for name, key in bases.items():
                if name in returned:
                    found = study.outputs.setdefault(key, TimedOutputs())
                    found.add(round_image(rounds - 1) % PICTURES, returned[name])
            tick(rounds)

        warm_up = WARM_UP.get(study.device.type, 0)
        run = time_interleaved(calls, study.device, rule, tuple(bases), after_round, warm_up)
    study.points = [_point(study, *places[name], samples) for name, samples in run.samples.items()]
    for name, error in run.broken.items():
        study.failed(places[name][0], f"latency at {_words(places[name][1])}", error)
    return run


def _words(place: Conditions) -> str:
    return ", ".join(f"{name} {value}" for name, value in place.as_dict().items() if value is not None)


def _point(study: _Study, key: str, place: Conditions, samples: LatencySamples) -> Point:
    return Point(
        key,
        place,
        study.contestants[key].places[place].input_size,
        {**asdict(samples), "unit": "ms"},
    )


def _count(study: _Study, key: str) -> None:
    study.reporter.note(f"{key}: operations, memory, predictions")
    contestant = study.contestants[key]
    plain = contestant.contender.label
    known = study.facts[plain] if key != plain else {}
    outputs = study.outputs.get(key)
    for part, measure in parts(contestant, study.contestants[plain], known, outputs).items():
        study.attempt(key, part, measure)
    gc.collect()


def _peaks(study: _Study) -> dict[str, MatmulPeak]:
    """Of each precision that is used; a device that cannot multiply in one has none."""
    found = {}
    for precision in dict.fromkeys(each.options.precision for each in study.contestants.values()):
        try:
            found[str(precision)] = measure_matmul_peak(study.device, precision)
        except RuntimeError as error:
            message = f"{precision}: {error}"
            if message not in [each.message for each in study.failures]:
                study.failures.append(Failure("matmul peak", message))
    return found


def _throughput(study: _Study) -> None:
    timed = {point.subject for point in study.points}
    left = [each for key, each in study.contestants.items() if key in timed]
    if not left:
        return
    rule = replace(study.request.stopping, seconds=max(study.request.stopping.seconds, ALLOWED_S))
    study.reporter.note(f"throughput: largest batches, then rounds, at most about {rule.seconds:.0f} s")
    found, broken = measure_throughput(
        left, study.device, budget(study.device, study.request.memory_budget), rule
    )
    for key, each in found.items():
        study.facts[key]["throughput"] = each.as_dict()
    for key, error in broken.items():
        study.failed(key, "throughput", error)


def _warnings(before: Environment, after: Environment, run: Interleaved) -> list[str]:
    found = noise_warnings(before)
    known = {each.partition(":")[0] for each in found}  # busy before and after is one thing
    found += [each for each in noise_warnings(after) if each.partition(":")[0] not in known]
    if run.interrupted:
        found.append(f"interrupted by the user after {run.rounds} rounds")
    if run.samples:
        rounds = np.sum([each.total_ms for each in run.samples.values()], axis=0).tolist()
        found += drift_warnings(before, after, rounds)
    if run.null is not None:
        found += noise_floor(run.samples[run.null_of].total_ms, run.null.total_ms).warnings()
    return list(dict.fromkeys(found))


def _null(study: _Study, run: Interleaved) -> dict[str, Any]:
    if run.null is None:
        return {}
    first = run.samples[run.null_of].total_ms
    key = run.null_of.rpartition(" #")[0]
    return {"subject": key, "first_ms": first, "second_ms": run.null.total_ms}


def _record(
    study: _Study, run: Interleaved, before: Environment, peaks: dict[str, MatmulPeak], warnings: list[str]
) -> CostRecord:
    request = study.request
    return CostRecord(
        protocol=protocol_facts(request.protocol, before.threads, study.device.type),
        conditions=request.conditions,
        sweeps={axis: [_plain(value) for value in values] for axis, values in request.sweeps.items()},
        subjects=study.facts,
        points=tuple(study.points),
        null=_null(study, run),
        stopping={**request.stopping.as_dict(), "rounds": run.rounds, "why": run.stopped},
        matmul_peak={name: each.as_dict() for name, each in peaks.items()},
        run_id=uuid.uuid4().hex[:12],
        environment=asdict(before),
        bench={"version": __version__, "commit": before.commit, "dirty": before.dirty},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=tuple(warnings),
        failures=tuple(f"{each.item}: {each.message}" for each in study.failures),
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
