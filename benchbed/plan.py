"""From names on the command line to what will be measured. Everything that can be refused is refused here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from benchbed import protocol as protocols
from benchbed import weights
from benchbed.datasets.dataset import Dataset, DatasetCard
from benchbed.device import resolve_device
from benchbed.errors import MissingError, UsageError
from benchbed.protocol import Protocol
from benchbed.registry import METHOD_GROUP, Chosen, choose, dataset_card, names
from benchbed.weights import WeightsChoice

EMBEDDED_DEFAULT: Final = "shapes"


@dataclass(frozen=True)
class Request:
    """What a person asked for, one field a flag."""

    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    protocol: str = "paper"
    weights: str = "auto"
    data_root: Path | None = None
    device: str = "auto"
    precision: str = "fp32"
    limit: int | None = None
    batch: int = 1


@dataclass(frozen=True)
class PlanItem:
    """One variant on one dataset under one protocol."""

    chosen: Chosen
    dataset: Dataset
    protocol: Protocol
    weights: WeightsChoice
    images: int

    @property
    def name(self) -> str:
        """`method/variant on dataset`."""
        return f"{self.chosen.label} on {self.dataset.card.name}"


@dataclass(frozen=True)
class Plan:
    """All items, grouped by dataset in order; `notes` say what was left out of a default and why."""

    items: tuple[PlanItem, ...]
    device: torch.device
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What will be measured under what, in 12 hexadecimal digits: the same for all workers of a run."""
        each = [
            (item.name, item.dataset.identity, item.images, item.protocol.fingerprint) for item in self.items
        ]
        return hashlib.sha256(repr(each).encode()).hexdigest()[:12]


def make_plan(request: Request) -> Plan:
    """Resolve names, open datasets, find weights; measure nothing.

    Raises:
        UsageError: an unknown name or a flag that makes no sense.
        MissingError: data or weights are not there.
    """
    device = resolve_device(request.device)
    _check_limit(request.limit)
    items: list[PlanItem] = []
    notes: list[str] = []
    for name in _unique(request.datasets, "--dataset") or [EMBEDDED_DEFAULT]:
        card = dataset_card(name)
        chosen = _choose_all(request, card, notes)
        protocol = protocols.named(
            request.protocol, card, request.precision, torch.get_num_threads(), device.type, request.batch
        )
        choices = weights.parse(request.weights, chosen)
        dataset = open_dataset(card, request.data_root)
        images = min(len(dataset), request.limit or len(dataset))
        items += [PlanItem(each, dataset, protocol, choices[each.label], images) for each in chosen]
    return Plan(tuple(items), device, tuple(notes))


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: expected the number of images to use, 1 or more")


def _unique(given: Sequence[str], flag: str) -> list[str]:
    repeated = {name for name in given if given.count(name) > 1}
    if repeated:
        raise UsageError(f"{flag}: {', '.join(sorted(repeated))} is named twice; name each once")
    return list(given)


def _choose_all(request: Request, card: DatasetCard, notes: list[str]) -> list[Chosen]:
    every = request.methods in ((), ("all",))
    wanted = names(METHOD_GROUP) if every else _unique(request.methods, "--methods")
    if not wanted:
        raise UsageError(
            "no methods are registered: reinstall benchbed (pip install -e .) so that its entry points exist"
        )
    chosen = []
    for name in wanted:
        try:
            each = choose(name, card.embedded)
        except UsageError as error:
            if not every:
                raise
            notes.append(f"left out: {error}")
            continue
        serves = each.method.card.only_datasets
        if not serves or card.name in serves:
            chosen.append(each)
            continue
        reason = f"{each.label} knows only the classes of {', '.join(serves)}, not those of {card.name}"
        if not every:
            raise UsageError(f"--methods {name}: {reason}; leave it out or choose --dataset {serves[0]}")
        notes.append(f"left out: {reason}")
    labels = [each.label for each in chosen]
    _unique(labels, "--methods")
    return chosen


def open_dataset(card: DatasetCard, data_root: Path | None) -> Dataset:
    """Open a dataset and make sure that it has something in it.

    Raises:
        MissingError: the data are not there, are half there, or are empty.
    """
    dataset = card.opened(data_root)
    if len(dataset) == 0:
        raise MissingError(
            f"{dataset.root}: the {card.split} list of {card.name} is empty; expected up to {card.full_size} ids"
        )
    return dataset
