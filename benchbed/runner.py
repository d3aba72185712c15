"""Plan -> measure -> record. A failure of one item never loses another."""

from __future__ import annotations

import gc
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchbed import __version__
from benchbed.accuracy_pass import Counted, make_keeper
from benchbed.cost.environment import Environment, capture, noise_warnings
from benchbed.cost_pass import Cost, measure_latencies, measure_rest, sample_images
from benchbed.counting_pass import USUAL, Counting
from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, StoreError
from benchbed.failures import Failure, failure
from benchbed.plan import Plan, PlanItem
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.sharding import ALONE, WorkerLost, Workers
from benchbed.sharding_counts import count_together, take_in_together
from benchbed.sharding_journals import share_folder
from benchbed.subject import Subject, config, make_subject
from benchbed.unfinished import Unfinished, unfinished
from benchbed.weights_facts import weights_facts


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


@dataclass(frozen=True)
class _Run:
    """What all items of one command share."""

    device: torch.device
    store: RecordStore
    reporter: Reporter
    outcome: Outcome
    keep_bytes: int
    how: Counting
    ledger: Unfinished
    workers: Workers
    share: Path


def run_plan(
    plan: Plan,
    store: RecordStore,
    reporter: Reporter,
    keep_bytes: int = 0,
    how: Counting = USUAL,
    workers: Workers = ALONE,
) -> Outcome:
    """Measure everything in the plan, dataset by dataset; each record is written the moment it is complete.

    Args:
        plan: what to measure.
        store: where records go.
        reporter: hears of progress.
        keep_bytes: room for the predictions that are kept, of each variant on each dataset; 0 keeps none.
        how: what happens to bad images.
        workers: this process among all of the run; each calls this, and worker 0 has the outcome.

    Raises:
        StoreError: records cannot be written; those written before stay.
        WorkerLost: a worker has ended; what was counted stays.
    """
    workers.together("records", None, store.prepare)
    take_in_together(store.partial, workers)
    _no_tf32()
    outcome = Outcome()
    with _own_files(plan, store, how, workers) as (ledger, share):
        run = _Run(plan.device, store, reporter, outcome, keep_bytes, how, ledger, workers, share)
        for _, items in groupby(plan.items, key=lambda item: item.dataset.card.name):
            counted: list[_Counted] = []
            try:
                for item in items:
                    if not _recorded(item, run) and (ready := _count(item, run)):
                        counted.append(ready)
                if counted:
                    _finish_together(counted, run)
            finally:
                for each in counted:
                    each.counted.book.close()
            del counted
            gc.collect()
    return outcome


@contextmanager
def _own_files(
    plan: Plan, store: RecordStore, how: Counting, workers: Workers
) -> Iterator[tuple[Unfinished, Path]]:
    """The list of this command's records, which worker 0 keeps, and the folder of this process's journals."""
    if workers.world == 1:
        with unfinished(store, plan, how) as ledger:
            yield ledger, store.partial
        return
    with share_folder(store.partial, workers.rank) as share:
        if workers.leads:
            with unfinished(store, plan, how) as ledger:
                yield ledger, share
        else:
            yield Unfinished(store, None, b""), share


def _recorded(item: PlanItem, run: _Run) -> bool:
    """Whether an interrupted run of the same command has done the item; its record then counts as this run's."""
    found = run.ledger.record_of(item, run.how)
    if found is not None:
        run.outcome.records.append(found)
        run.reporter.note(f"{item.name}: recorded by an earlier, interrupted run of this command: {found[1]}")
    return run.workers.tell(b"recorded" if found else b"")[0] == b"recorded"


def _no_tf32() -> None:
    """fp32 means fp32: CUDA's convolutions would otherwise round their factors to 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _count(item: PlanItem, run: _Run) -> _Counted | None:
    run.reporter.note(f"{item.name}: loading ({item.weights.note or item.weights.kind})")
    partial, workers = run.store.partial, run.workers
    try:
        subject = workers.together(item.name, partial, lambda: make_subject(item, run.device))
        keep = run.keep_bytes if workers.leads else 0
        keeper = make_keeper(subject, run.store.folder, keep, run.reporter)
        counted = count_together(subject, partial, run.share, run.reporter, keeper, run.how, workers)
        return _Counted(subject, counted)
    except (StoreError, WorkerLost):
        raise
    except Exception as error:
        run.outcome.failures.append(failure(item.name, error, run.store.partial))
    return None


def _finish_together(counted: list[_Counted], run: _Run) -> None:
    """Worker 0 measures cost and writes records while the others wait, which then drop what the records hold."""
    name, workers = f"cost on {counted[0].subject.item.dataset.card.name}", run.workers
    workers.together(name, run.store.partial, lambda: _finish(counted, run) if workers.leads else None)
    if not workers.leads:
        for each in counted:
            each.counted.forget()


def _finish(counted: list[_Counted], run: _Run) -> None:
    subjects = [each.subject for each in counted]
    item, reporter, logs = subjects[0].item, run.reporter, run.store.partial
    samples = sample_images(item.dataset, _good(counted))
    before = capture(subjects[0].inference.device)
    counts = [each.counted.counts for each in counted]
    costs = measure_latencies(subjects, samples, uuid.uuid4().hex[:12], reporter, logs, counts)
    after = capture(subjects[0].inference.device)
    warnings = list(dict.fromkeys([*noise_warnings(before), *noise_warnings(after)]))
    for warning in warnings:
        reporter.note(f"warning: {warning}")
    for each, cost in zip(counted, costs, strict=True):
        measure_rest(each.subject, samples[0], cost, reporter, logs)
        record = make_record(each.subject, each.counted, cost, before, warnings, run.workers)
        run.ledger.add(each.subject.item, run.how, run.store.path_of(record))
        run.outcome.records.append((record, run.store.write(record)))
        each.counted.forget()
        run.outcome.failures += [Failure(each.subject.item.name, message) for message in cost.failures]


def _good(counted: list[_Counted]) -> list[int]:
    """Places of the images that were counted for all: none of them is bad."""
    common = set.intersection(*(set(each.counted.counts.image_ids) for each in counted))
    ids = counted[0].subject.item.dataset.ids[: counted[0].subject.item.images]
    return [index for index, name in enumerate(ids) if name in common]


def make_record(
    subject: Subject,
    counted: Counted,
    cost: Cost,
    environment: Environment,
    warnings: list[str],
    workers: Workers = ALONE,
) -> Record:
    """Put together what was measured and everything needed to judge it."""
    item = subject.item
    return Record(
        label=item.chosen.label,
        method=_method_facts(subject),
        dataset=_dataset_facts(subject, counted),
        protocol={
            **item.protocol.as_dict(),
            "resolved": {
                "input": subject.segmenter.input_spec.as_dict(),
                "text_per_image": subject.inference.text_per_image,
                "counting": counted.passed.forward,
            },
        },
        counts=counted.counts,
        cost=cost.values,
        environment={**asdict(environment), **workers.facts()},
        bench={"version": __version__, "commit": environment.commit, "dirty": environment.dirty},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=(*warnings, *counted.warnings, *cost.warnings),
        failures=tuple(cost.failures),
    )


def _method_facts(subject: Subject) -> dict[str, Any]:
    item = subject.item
    card, variant = item.chosen.method.card, item.chosen.variant
    return {
        "name": item.chosen.found.name,
        "variant": variant.name,
        "card": asdict(card),
        "config": config(item),
        "from": item.chosen.found.distribution,
        "weights": weights_facts(subject),
    }


def _dataset_facts(subject: Subject, counted: Counted) -> dict[str, Any]:
    item = subject.item
    card = item.dataset.card
    used, skipped = counted.counts.num_images, [bad.id for bad in counted.passed.skipped]
    left_out = f", {len(skipped)} bad skipped" if skipped else ""
    without = f" without {hashlib.sha256(' '.join(skipped).encode()).hexdigest()[:12]}" if skipped else ""
    return {
        "name": card.name,
        "title": card.title,
        "split": card.split,
        "images": used,
        "full_size": card.full_size,
        "coverage": f"{item.dataset.coverage(used)}{left_out}",
        "skipped": skipped,
        "identity": item.dataset.identity,
        "used_identity": f"{item.dataset.identity}:{item.images}{without}",
        "embedded": card.embedded,
        "names": list(subject.vocabulary.names),
        "seen": list(subject.vocabulary.seen),
        "prompts": list(subject.vocabulary.prompts),
        "notes": list(card.protocol_notes),
    }
