"""Plan -> measure -> record. A failure of one item never loses another."""

from __future__ import annotations

import gc
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchbed import __version__
from benchbed.accuracy_pass import Counted, make_keeper, measure_counts
from benchbed.cost.environment import Environment, capture, noise_warnings
from benchbed.cost_pass import Cost, measure_latencies, measure_rest, sample_images
from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, StoreError
from benchbed.failures import Failure, failure
from benchbed.method_card import Weights
from benchbed.plan import Plan, PlanItem
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.subject import Subject, config, make_subject


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
    counted: Counted


def run_plan(plan: Plan, store: RecordStore, reporter: Reporter, keep_bytes: int = 0) -> Outcome:
    """Measure everything in the plan, dataset by dataset; each record is written the moment it is complete.

    Args:
        plan: what to measure.
        store: where records go.
        reporter: hears of progress.
        keep_bytes: room for the predictions that are kept, of each variant on each dataset; 0 keeps none.

    Raises:
        StoreError: records cannot be written; those written before stay.
    """
    store.prepare()
    _no_tf32()
    outcome = Outcome()
    for _, items in groupby(plan.items, key=lambda item: item.dataset.card.name):
        ready = (_count(item, plan.device, store, reporter, outcome, keep_bytes) for item in items)
        counted = [each for each in ready if each]
        if counted:
            _finish(counted, store, reporter, outcome)
        del counted
        gc.collect()
    return outcome


def _no_tf32() -> None:
    """fp32 means fp32: CUDA's convolutions would otherwise round their factors to 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _count(
    item: PlanItem,
    device: torch.device,
    store: RecordStore,
    reporter: Reporter,
    outcome: Outcome,
    keep_bytes: int,
) -> _Counted | None:
    reporter.note(f"{item.name}: loading ({item.weights.note or item.weights.kind})")
    try:
        subject = make_subject(item, device)
        keeper = make_keeper(subject, store.folder, keep_bytes, reporter)
        return _Counted(subject, measure_counts(subject, store.partial, reporter, keeper))
    except StoreError:
        raise
    except Exception as error:
        outcome.failures.append(failure(item.name, error, store.partial))
    return None


def _finish(counted: list[_Counted], store: RecordStore, reporter: Reporter, outcome: Outcome) -> None:
    subjects = [each.subject for each in counted]
    item = subjects[0].item
    samples = sample_images(item.dataset, item.images)
    before = capture(subjects[0].inference.device)
    counts = [each.counted.counts for each in counted]
    costs = measure_latencies(subjects, samples, uuid.uuid4().hex[:12], reporter, store.partial, counts)
    after = capture(subjects[0].inference.device)
    warnings = list(dict.fromkeys([*noise_warnings(before), *noise_warnings(after)]))
    for warning in warnings:
        reporter.note(f"warning: {warning}")
    for each, cost in zip(counted, costs, strict=True):
        measure_rest(each.subject, samples[0], cost, reporter, store.partial)
        record = make_record(each.subject, each.counted, cost, before, warnings)
        outcome.records.append((record, store.write(record)))
        each.counted.forget()
        outcome.failures += [Failure(each.subject.item.name, message) for message in cost.failures]


def make_record(
    subject: Subject, counted: Counted, cost: Cost, environment: Environment, warnings: list[str]
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
        counts=counted.counts,
        cost=cost.values,
        environment=asdict(environment),
        bench={"version": __version__, "commit": environment.commit, "dirty": environment.dirty},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=(*warnings, *counted.warnings, *cost.warnings),
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
            **_official_facts(variant.weights if item.weights.official else None, item),
        },
    }


def _official_facts(weights: Weights | None, item: PlanItem) -> dict[str, Any]:
    """What an official file was trained on. No hashes of them are published: the name is all that tells it."""
    if weights is not None:
        by_name = "by its name alone (its content is not verified)"
        return {"trained_on": f"{weights.trained_on}; {by_name}", "not_for": _not_for(weights, item)}
    by_user = item.weights.kind == "file"
    return {"trained_on": "unknown: a file of the user's" if by_user else None, "not_for": {}}


def _not_for(weights: Weights, item: PlanItem) -> dict[str, str]:
    """The card's reasons by dataset; a dataset that is another's under a new rule has that one's reason too."""
    card = item.dataset.card
    shared = {card.name: weights.not_for[card.like]} if card.like in weights.not_for else {}
    return {**shared, **weights.not_for}


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
