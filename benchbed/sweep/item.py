"""One job of a sweep: one variant on one dataset, as the command line of `benchbed run` that measures it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchbed import __version__
from benchbed.plan import PlanItem, Request, make_plan
from benchbed.progress import Reporter
from benchbed.registry import OWN_ENDING
from benchbed.weights import WeightsChoice


@dataclass(frozen=True)
class SweepItem:
    """What one job measures.

    Attributes:
        name: `method/variant on dataset`.
        key: names files; changes with whatever the job would measure otherwise: flags, data, weights, version of benchbed.
        arguments: of `benchbed`, complete but for `--out`.
    """

    name: str
    key: str
    arguments: tuple[str, ...]


def sweep_items(
    methods: tuple[str, ...],
    datasets: Sequence[str],
    shared: Mapping[str, Any],
    passed_on: Sequence[str],
    reporter: Reporter,
) -> list[SweepItem]:
    """All jobs, dataset by dataset. Refuses here, before anything is submitted, what can be refused.

    Args:
        methods: as the user named them.
        datasets: as the user named them.
        shared: values of the flags that `benchbed run` has too, by name.
        passed_on: those that differ from their defaults, as words of a command line; without `--weights`.
        reporter: hears what was left out.

    Raises:
        UsageError: an unknown name or a flag that makes no sense.
        MissingError: data or weights are not there.
    """
    known = {each.name for each in fields(Request)} & set(shared) - {"device"}
    wishes = {name: shared[name] for name in known}
    items = []
    for name in dict.fromkeys(datasets):
        # The jobs' machines decide on the device; this one, a cluster's front door perhaps, may have none.
        plan = make_plan(Request(methods=methods, datasets=(name,), device="cpu", **wishes))
        for note in plan.notes:
            reporter.note(note)
        dataset = str(Path(name).absolute()) if name.endswith(OWN_ENDING) else name
        items += [_item(each, dataset, passed_on) for each in plan.items]
    return items


def _item(item: PlanItem, dataset: str, passed_on: Sequence[str]) -> SweepItem:
    words = ("run", "--methods", item.chosen.label, "--dataset", dataset)
    arguments = (*words, "--weights", _weights(item.weights), *passed_on)
    path = item.weights.path
    stat = path.stat() if path is not None and path.is_file() else None
    content = [
        arguments,
        [item.dataset.identity, item.images],
        [stat.st_size, stat.st_mtime_ns] if stat else None,
        __version__,
    ]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:10]
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{item.chosen.label} {item.dataset.card.name}")
    return SweepItem(item.name, f"{slug}-{digest}", arguments)


def _weights(choice: WeightsChoice) -> str:
    """`--weights` of a run of this variant alone that gives it the same weights, wherever it starts."""
    if choice.kind == "file" and choice.path is not None:
        return "auto" if choice.official else str(choice.path.absolute())
    return "random" if choice.kind == "random" else "auto"
