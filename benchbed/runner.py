"""Plan -> measure -> record. A failure of one item never loses another."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchbed import __version__
from benchbed.accuracy_pass import measure_counts
from benchbed.cost.environment import Environment, capture, noise_warnings
from benchbed.cost_pass import Cost, measure_costs
from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, BenchError
from benchbed.method_card import Weights
from benchbed.metrics import Counts
from benchbed.plan import Plan, PlanItem
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.subject import Subject, config, make_subject


@dataclass(frozen=True)
class Failure:
    """One item, or one part of it, that could not be measured."""

    item: str
    message: str
    exit_code: int


@dataclass
class Outcome:
    """What a run left behind: records with their files, and what failed."""

    records: list[tuple[Record, Path]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if nothing failed; the failures' own code if they share one and nothing succeeded; else 4."""
        if not self.failures:
            return EXIT_DONE
        codes = {failure.exit_code for failure in self.failures}
        return codes.pop() if not self.records and len(codes) == 1 else EXIT_PARTIAL


@dataclass
class _Counted:
    subject: Subject
    counts: Counts
    journal: Path


def run_plan(plan: Plan, store: RecordStore, reporter: Reporter) -> Outcome:
    """Measure everything in the plan, dataset by dataset; each record is written the moment it is complete.

    Raises:
        StoreError: records cannot be written; those written before stay.
    """
    store.prepare()
    outcome = Outcome()
    environment = capture(plan.device)
    warnings = noise_warnings(environment)
    for warning in warnings:
        reporter.note(f"warning: {warning}")
    for _, items in groupby(plan.items, key=lambda item: item.dataset.card.name):
        counted = [each for item in items if (each := _count(item, plan.device, store, reporter, outcome))]
        if counted:
            _finish(counted, environment, warnings, store, reporter, outcome)
        del counted
        gc.collect()
    return outcome


def _count(
    item: PlanItem, device: torch.device, store: RecordStore, reporter: Reporter, outcome: Outcome
) -> _Counted | None:
    def work() -> _Counted:
        reporter.note(f"{item.name}: loading ({item.weights.note or item.weights.kind})")
        subject = make_subject(item, device)
        return _Counted(subject, *measure_counts(subject, store.folder / "partial", reporter))

    return _guard(item.name, work, reporter, outcome)


def _finish(
    counted: list[_Counted],
    environment: Environment,
    warnings: list[str],
    store: RecordStore,
    reporter: Reporter,
    outcome: Outcome,
) -> None:
    costs = measure_costs([each.subject for each in counted], uuid.uuid4().hex[:12], reporter)
    for each, cost in zip(counted, costs, strict=True):
        record = make_record(each.subject, each.counts, cost, environment, warnings)
        outcome.records.append((record, store.write(record)))
        each.journal.unlink(missing_ok=True)
        for failure in cost.failures:
            reporter.note(f"{each.subject.item.name}: failed: {failure}")
            outcome.failures.append(Failure(each.subject.item.name, failure, EXIT_PARTIAL))


def _guard(name: str, work: Callable[[], _Counted], reporter: Reporter, outcome: Outcome) -> _Counted | None:
    try:
        return work()
    except BenchError as error:
        outcome.failures.append(Failure(name, str(error), error.exit_code))
    except torch.OutOfMemoryError as error:
        message = f"out of GPU memory ({error}); use a smaller input (--protocol matched) or --device cpu"
        outcome.failures.append(Failure(name, message, EXIT_PARTIAL))
    reporter.note(f"{name}: failed: {outcome.failures[-1].message}")
    return None


def make_record(
    subject: Subject, counts: Counts | None, cost: Cost, environment: Environment, warnings: list[str]
) -> Record:
    """Put together what was measured and everything needed to judge it."""
    item = subject.item
    return Record(
        label=item.chosen.label,
        method=_method_facts(subject),
        dataset=_dataset_facts(subject),
        protocol={
            **item.protocol.as_dict(),
            "resolved": {
                "input": subject.segmenter.input_spec.as_dict(),
                "text_per_image": subject.inference.text_per_image,
            },
        },
        counts=counts,
        cost=cost.values,
        environment=asdict(environment),
        bench={"version": __version__, "commit": environment.commit, "dirty": environment.dirty},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=tuple(warnings),
        failures=tuple(cost.failures),
    )


def _method_facts(subject: Subject) -> dict[str, Any]:
    item = subject.item
    card, variant = item.chosen.method.card, item.chosen.variant
    conversion = getattr(subject.segmenter, "conversion", None)
    return {
        "name": item.chosen.found.name,
        "variant": variant.name,
        "card": asdict(card),
        "config": config(item),
        "from": item.chosen.found.distribution,
        "weights": {
            **item.weights.as_dict(),
            "sha256": subject.digest,
            "tensors_used": len(conversion.used) if conversion else None,
            "tensors_ignored": dict(conversion.ignored) if conversion else {},
            **_official_facts(variant.weights if item.weights.kind == "file" else None),
        },
    }


def _official_facts(weights: Weights | None) -> dict[str, Any]:
    if weights is None:
        return {"trained_on": None, "not_for": {}}
    return {"trained_on": weights.trained_on, "not_for": dict(weights.not_for)}


def _dataset_facts(subject: Subject) -> dict[str, Any]:
    item = subject.item
    card = item.dataset.card
    return {
        "name": card.name,
        "title": card.title,
        "split": card.split,
        "images": item.images,
        "full_size": card.full_size,
        "coverage": item.dataset.coverage(item.images),
        "identity": item.dataset.identity,
        "used_identity": f"{item.dataset.identity}:{item.images}",
        "embedded": card.embedded,
        "names": list(subject.vocabulary.names),
        "seen": list(subject.vocabulary.seen),
        "prompts": list(subject.vocabulary.prompts),
        "notes": list(card.protocol_notes),
    }
