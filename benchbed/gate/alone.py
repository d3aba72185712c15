"""The working tree by itself, each call beside the reference workload: what a baseline holds. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from benchbed.cost.deadline import Deadline
from benchbed.errors import UsageError
from benchbed.gate.child import Child, TreeError, finish_import, start_import
from benchbed.gate.counted_images import accuracy_of
from benchbed.gate.facts import Facts, facts_from
from benchbed.gate.nursery import Nursery
from benchbed.gate.pair import idlest_core
from benchbed.gate.record import Baseline
from benchbed.gate.request import GateRequest
from benchbed.gate.samples import TOTAL, quickest
from benchbed.gate.worktree import Tree, working_tree
from benchbed.progress import Reporter

MOST_ROUNDS: Final = 40
PHOTOS: Final = 8  # that calls are timed on, in turn
CALLS: Final = 2  # heard a round and side, after an unheard one that warms what the other side cooled
EPOCH_ROUNDS: Final = 10  # after which the worker is forked anew
ENDING_S: Final = 1.0
GRACE_S: Final = 20.0  # past the time asked for, within which what was begun must end


@dataclass
class Alone:
    """One method's rounds.

    Attributes:
        log_ratios: part -> log of its time over the reference's, a round each.
        reference_ms: the reference's own time, a round each.
        part_ms: part -> its time, a round each.
        waits: the least in any call.
    """

    log_ratios: dict[str, list[float]] = field(default_factory=dict)
    part_ms: dict[str, list[float]] = field(default_factory=dict)
    reference_ms: list[float] = field(default_factory=list)
    waits: int | None = None

    @property
    def rounds(self) -> int:
        """How many."""
        return len(self.reference_ms)

    def add(self, reply: Mapping[str, Any], reference: Mapping[str, Any]) -> None:
        """One round."""
        yardstick = quickest(reference["ledgers"])[TOTAL]
        for part, ms in quickest(reply["ledgers"]).items():
            if ms > 0:
                self.log_ratios.setdefault(part, []).append(math.log(ms / yardstick))
                self.part_ms.setdefault(part, []).append(ms)
        self.reference_ms.append(yardstick)
        self.waits = reply["waits"] if self.waits is None else min(self.waits, reply["waits"])


@dataclass
class Measuring:
    """A child at work on one tree; `broken` says which methods it could not measure."""

    child: Child
    request: GateRequest
    tree: Tree
    protocol: dict[str, Any] = field(default_factory=dict)
    workload: int = 0
    facts: dict[str, Facts] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _forked: bool = False

    def renew(self, labels: list[str] | None = None) -> list[str]:
        """A new worker; returns the methods that it built."""
        if self._forked:
            self.child.ask("end")
        self.child.ask("fork")
        self._forked = True
        plan = self.child.ask("plan", methods=list(self.request.methods), images=self.request.images)
        for name, why in plan["missing"].items():
            raise UsageError(f"--methods {name}: {why}")
        self.workload = self.child.ask("reference", calls=1)["workload"]
        self.protocol = {**plan["protocol"], "reference": self.workload}
        return [each for each in labels or plan["labels"] if self._built(each)]

    def _built(self, label: str) -> bool:
        try:
            built = self.child.ask("build", label=label)
            if label not in self.facts:
                facts = self.child.ask("facts", label=label)
                accuracy = accuracy_of(self.child.ask("counts", label=label), built["seen"], built["rule"])
                self.facts[label] = facts_from({**facts, "accuracy": accuracy, "weights": built["sha256"]})
        except TreeError as error:
            self.broken[label] = str(error)
            return False
        return True

    def rounds(
        self,
        found: dict[str, Alone],
        deadline: Deadline,
        reserve_s: Callable[[], float],
        wanted: Callable[[str, Alone], bool],
    ) -> None:
        """Rounds over all methods still wanted, in epochs; as `Pair.rounds`."""
        slowest = 0.0
        while open_ := [label for label in found if wanted(label, found[label]) and label not in self.broken]:
            begun = deadline.spent
            labels = self.renew(open_)
            core = idlest_core()
            if core is not None:
                self.child.ask("pin", core=core)
            epoch_s = deadline.spent - begun
            for index in range(EPOCH_ROUNDS):
                for label in [each for each in labels if wanted(each, found[each])]:
                    started = deadline.spent
                    if deadline.left - slowest < reserve_s():
                        return
                    self._round(label, found[label], index)
                    slowest = max(slowest, deadline.spent - started)
            if deadline.left - epoch_s < reserve_s():
                return

    def _round(self, label: str, samples: Alone, index: int) -> None:
        """The method between two halves of the reference, or the other way round."""
        photo = samples.rounds // 2 % PHOTOS
        if index % 2:
            reference = self.child.ask("reference", calls=CALLS)
            reply = self.child.ask("time", label=label, image=photo, calls=CALLS)
        else:
            reply = self.child.ask("time", label=label, image=photo, calls=CALLS)
            reference = self.child.ask("reference", calls=CALLS)
        samples.add(reply, reference)


def start(request: GateRequest, stack: ExitStack, reporter: Reporter) -> Measuring:
    """Import the working tree in a child, which `stack` ends."""
    tree = working_tree(request.repository)
    nursery = Nursery([(tree.name, tree.root)], request.seconds + GRACE_S)
    stack.callback(nursery.close)
    child = nursery.children[0]
    reporter.note(f"gate: {tree.words}; importing it")
    start_import(child)
    finish_import(child)
    return Measuring(child, request, tree)


def measure_baseline(request: GateRequest, reporter: Reporter) -> Baseline:
    """What `--write-baseline` keeps.

    Raises:
        UsageError: the tree does not import, an unknown method, or none that runs.
        MeasurementError: the child died.
    """
    deadline = Deadline(request.seconds)
    with ExitStack() as stack:
        measuring = start(request, stack, reporter)
        found = {label: Alone() for label in measuring.renew()}
        reporter.note(f"gate: {len(found)} methods counted; timing them beside the reference workload")
        measuring.rounds(found, deadline, lambda: ENDING_S, lambda _, each: each.rounds < MOST_ROUNDS)
    for label, why in measuring.broken.items():
        reporter.note(f"failed: {label}: {why}")
    if not measuring.facts:
        raise UsageError("no method could be measured, so there is no baseline; see the lines above")
    return make_baseline(measuring, found)


def make_baseline(measuring: Measuring, found: Mapping[str, Alone]) -> Baseline:
    """The file's content."""
    return Baseline(
        protocol=measuring.protocol,
        environment=environment(),
        tree={
            "name": measuring.tree.name,
            "commit": measuring.tree.commit,
            "dirty": measuring.tree.dirty,
        },
        methods={
            label: {
                "facts": measuring.facts[label].as_dict(),
                "log_ratios": {part or "total": values for part, values in each.log_ratios.items()},
                "part_ms": {part or "total": values for part, values in each.part_ms.items()},
                "reference_ms": each.reference_ms,
                "waits": each.waits,
            }
            for label, each in found.items()
            if label in measuring.facts
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def environment() -> dict[str, Any]:
    """The machine, as far as it decides whether two baselines are of the same one; imports no torch."""
    from benchbed.cost.cpu_state import cpu_name, usable_cores
    from benchbed.cost.environment import DISTRIBUTIONS, machine_hash

    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "machine": machine_hash(),
        "versions": _versions(DISTRIBUTIONS),
    }


def _versions(distributions: Mapping[str, str]) -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name, distribution in distributions.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
