"""One epoch's worker: builds methods on the embedded dataset, counts what is exact, and times calls when told to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchbed.cost.flop_counters import count_with_torch
from benchbed.metrics import count_image
from benchbed.plan import PlanItem, Request, make_plan
from benchbed.subject import Subject, make_subject

from .marks import StageMarks, processor_ledger
from .operators import count_operators
from .reference import WORKLOAD, Reference


class Worker:
    """Holds the subjects of one epoch; `verbs` are what the gate may ask."""

    def __init__(self) -> None:
        self._items: dict[str, PlanItem] = {}
        self._device = torch.device("cpu")
        self._subjects: dict[str, Subject] = {}
        self._images: dict[int, Any] = {}
        self._reference: Reference | None = None
        self.verbs: dict[str, Callable[..., Any]] = {
            "plan": self.plan,
            "build": self.build,
            "facts": self.facts,
            "counts": self.counts,
            "time": self.time,
            "reference": self.reference,
            "pin": self.pin,
        }

    def plan(self, methods: list[str], images: int) -> dict[str, Any]:
        """Resolve names, each for itself; returns labels and what must agree for two measurements to be comparable.

        `missing` holds, by name, why this tree cannot measure a method.
        """
        missing = {}
        for name in methods:
            try:
                plan = make_plan(Request(methods=(name,), limit=images, device="cpu"))
            except (
                Exception
            ) as error:  # an older tree lacks a method, or cannot resolve it: the gate judges that
                missing[name] = str(error)
                continue
            self._device = plan.device
            self._items |= {item.chosen.label: item for item in plan.items}
        item = next(iter(self._items.values()), None)
        return {
            "labels": list(self._items),
            "missing": missing,
            "protocol": _comparable(item) if item else {},
            "weights": {label: each.weights.kind for label, each in self._items.items()},
        }

    def build(self, label: str) -> dict[str, Any]:
        """Build one method and call it once, unheard; returns its digest, which classes are seen, the rule for absent ones.

        The first call also encodes the text, where that is kept: it is not like the others.
        """
        subject = self._subjects[label] = make_subject(self._items[label], self._device)
        subject.inference.labels(self._image(subject, 0))
        return {
            "sha256": subject.digest,
            "seen": [bool(each) for each in subject.vocabulary.seen],
            "rule": str(subject.item.protocol.absent_rule),
        }

    def facts(self, label: str) -> dict[str, Any]:
        """FLOPs, parameters and operator counts of one method on image 0."""
        subject = self._subjects[label]
        inference, image = subject.inference, self._image(subject, 0)
        operators = count_operators(lambda: inference.labels(image))
        images, text = inference.batch(image), inference.text()
        flops = count_with_torch(lambda: subject.segmenter.segment(images, text))
        parameters = list(subject.segmenter.parameters())
        return {
            "flops": {name: int(count) for name, count in flops.per_stage.items() if count},
            "parameters": {
                "total": sum(each.numel() for each in parameters),
                "trainable": sum(each.numel() for each in parameters if each.requires_grad),
            },
            "operators": operators["per_operator"],
            "operators_by_stage": operators["per_stage"],
        }

    def counts(self, label: str) -> list[dict[str, Any]]:
        """What `time` says of an image when asked to count, of all planned ones."""
        subject = self._subjects[label]
        return [
            self._counted(subject, index, subject.inference.labels(self._image(subject, index)))
            for index in range(subject.item.images)
        ]

    def time(self, label: str, image: int, calls: int, warm: int = 1, count: bool = False) -> dict[str, Any]:
        """Processor time of `calls` calls on one image, by stage, ns, after `warm` unheard ones.

        `waits` is how often the process gave up its core of its own accord (sleep, lock, disk) in the call with fewest. With
        `count`, `counted` holds what the last call's label map is worth, found after the clock stopped.
        """
        subject = self._subjects[label]
        photo = self._image(subject, image)
        returned: list[Any] = []

        def call() -> None:
            returned[:] = [subject.inference.labels(photo)]

        reply = _timed(call, calls, warm)
        return {**reply, "counted": self._counted(subject, image, returned[0])} if count else reply

    def _counted(self, subject: Subject, image: int, labels: Any) -> dict[str, Any]:
        """Counts of one label map by class, and its digest."""
        item = subject.item
        sample, found = item.dataset.sample(image % item.images), labels.cpu().numpy()
        row = count_image(
            found, sample.labels, len(subject.vocabulary), item.dataset.card.ignore, image_id=sample.id
        )
        numbers = {name: getattr(row, name) for name in ("intersection", "predicted", "labelled")}
        return {
            "id": row.image_id,
            **{name: [int(each) for each in np.ravel(values)] for name, values in numbers.items()},
            "sha256": hashlib.sha256(found.tobytes()).hexdigest(),
        }

    def reference(self, calls: int, warm: int = 1) -> dict[str, Any]:
        """The same of the reference workload; `workload` is its version."""
        self._reference = self._reference or Reference()
        return {**_timed(self._reference, calls, warm), "workload": WORKLOAD}

    def pin(self, core: int) -> list[int]:
        """Stay on one core; returns the cores that this process may use now."""
        os.sched_setaffinity(0, {core})
        return sorted(os.sched_getaffinity(0))

    def _image(self, subject: Subject, index: int) -> Any:
        index %= subject.item.images
        if index not in self._images:
            self._images[index] = subject.item.dataset.sample(index).image
        return self._images[index]


def _comparable(item: PlanItem) -> dict[str, Any]:
    protocol = item.protocol.as_dict()
    return {
        "dataset": item.dataset.card.name,
        "images": item.images,
        "content": str(item.dataset.identity),
        "fingerprint": protocol["fingerprint"],
    }


def _timed(call: Callable[[], object], calls: int, warm: int) -> dict[str, Any]:
    for _ in range(warm):
        call()
    heard = [processor_ledger(call, lambda take: StageMarks(take)) for _ in range(calls)]
    return {
        "ledgers": [ledger for ledger, _ in heard],
        "waits": min(waits for _, waits in heard),
    }
