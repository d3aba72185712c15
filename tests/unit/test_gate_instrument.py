"""The gate's instrument on the real bench, in this process: what a child would answer."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from benchbed.cost.params import count_params
from benchbed.cost.processor_time import processor_ledger
from benchbed.cost.stage_marks import StageMarks
from benchbed.gate.counted_images import accuracy_of
from benchbed.gate.facts import facts_from
from benchbed.gate.instrument.operators import count_operators
from benchbed.gate.instrument.reference import Reference
from benchbed.gate.instrument.worker import Worker
from benchbed.stages import stage

LABEL = "maskclip/tiny"


@pytest.fixture(scope="module")
def worker() -> Worker:
    worker = Worker()
    plan = worker.plan([LABEL, "nothing"], 3)
    assert plan["labels"] == [LABEL]
    assert "unknown method" in plan["missing"]["nothing"]
    assert plan["protocol"]["images"] == 3
    worker.build(LABEL)
    return worker


def test_facts_of_a_real_method(worker: Worker) -> None:
    found = worker.facts(LABEL)
    assert found == worker.facts(LABEL), "exact figures differ from one call to the next"
    built, subject = worker.build(LABEL), worker._subjects[LABEL]
    params = count_params(subject.segmenter)
    assert found["parameters"] == {"total": params.total, "trainable": params.trainable}
    assert found["flops"]["clip_image"] > 1e8
    assert sum(found["operators"].values()) == sum(found["operators_by_stage"].values())
    accuracy = accuracy_of(worker.counts(LABEL), built["seen"], built["rule"])
    facts = facts_from({**found, "accuracy": accuracy, "weights": subject.digest})
    counts = facts.counts
    assert counts.num_images == 3
    sample = subject.item.dataset.sample(1)
    labels = subject.inference.labels(sample.image).numpy()
    right = int((labels == sample.labels)[sample.labels != subject.item.dataset.card.ignore].sum())
    assert counts.intersection[1].sum() == right


def test_times_of_a_real_method(worker: Worker) -> None:
    found = worker.time(LABEL, image=1, calls=2)
    assert len(found["ledgers"]) == 2
    for ledger in found["ledgers"]:
        assert {"preprocess", "clip_image", "label_map", "unaccounted"} <= ledger.keys()
        assert ledger["clip_image"] > 100_000  # ns; it is the largest part of some 10 ms


def test_what_a_timed_call_predicted_is_counted_without_another_call(worker: Worker) -> None:
    every = worker.counts(LABEL)
    timed = worker.time(LABEL, image=2, calls=1, warm=0, count=True)
    assert timed["counted"] == every[2]
    assert "counted" not in worker.time(LABEL, image=2, calls=1, warm=0)


def test_operators_are_counted_where_they_run() -> None:
    square = torch.zeros(3, 3)

    def call() -> None:
        with torch.inference_mode():
            with stage("backbone"):
                torch.mm(torch.mm(square, square), square).abs()
            square.relu()

    found = count_operators(call)
    assert found["per_operator"] == {"aten.abs": 1, "aten.mm": 2, "aten.relu": 1}
    assert found["per_stage"] == {"backbone": 3, "unaccounted": 1}


def test_processor_time_leaves_out_sleep_and_counts_it_as_a_wait() -> None:
    def call() -> None:
        with stage("backbone"):
            time.sleep(0.05)
        with stage("label_map"):
            end = time.process_time() + 0.01
            while time.process_time() < end:
                pass

    ledger, waits = processor_ledger(call, lambda take: StageMarks(take))
    assert ledger["backbone"] < 10_000_000 <= ledger["label_map"]
    assert waits >= 1
    assert processor_ledger(lambda: None, lambda take: StageMarks(take))[1] == 0


def test_the_reference_workload_never_changes() -> None:
    """Its numbers depend on all of it; another workload would make every baseline worthless without saying so."""
    assert np.isclose(Reference()(), Reference()())
    assert np.isfinite(Reference()())
