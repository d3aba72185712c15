"""Two children that measure two trees in turn, so that both meet the same noise. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from benchbed.cost.deadline import Deadline
from benchbed.gate.child import Child, TreeError
from benchbed.gate.counted_images import CountedImages
from benchbed.gate.samples import MethodSamples

# A round is one call a side, none to warm up: both sides are cooled alike by the other. On this machine at a load of 9, single
# calls told a stage from itself to 15 %, the quicker of two after a warm one to 14 %, at three times the processor time.
CALLS: Final = 1
EPOCH_ROUNDS: Final = 24  # after which workers are forked anew: each of the default images once
_LOOK_S: Final = 0.5  # for the idlest core


@dataclass
class Pair:
    """The tree that was, and the tree that is.

    Attributes:
        before, after: their children, imported.
        methods: names as the user gave them.
        images: that calls are timed on and label maps counted of, in turn.
        epoch: how many pairs of workers were forked so far.
    """

    before: Child
    after: Child
    methods: Sequence[str]
    images: int
    epoch: int = 0
    labels: list[str] = field(default_factory=list)
    broken: dict[str, dict[str, str]] = field(default_factory=dict)
    built: dict[str, dict[str, Any]] = field(default_factory=dict)
    counted: dict[str, dict[str, CountedImages]] = field(default_factory=dict)

    @property
    def sides(self) -> dict[str, Child]:
        """By name."""
        return {"before": self.before, "after": self.after}

    def together(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Ask both at once, for what is not timed; an error of a tree stands in place of its reply."""
        for child in self.sides.values():
            child.send(verb, **arguments)
        return {side: _settled(child) for side, child in self.sides.items()}

    def plan(self) -> dict[str, dict[str, Any]]:
        """What each tree makes of the names; replies by side."""
        found = self.together("plan", methods=list(self.methods), images=self.images)
        for reply in found.values():
            if isinstance(reply, TreeError):
                raise reply
        return found

    def renew(self, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
        """New workers, which build these methods anew; returns both plans. Those that a tree cannot build go to `broken`."""
        if self.epoch:
            self.together("end")
        self.together("fork")
        self.epoch += 1
        plans = self.plan()
        wanted = labels or [name for name in plans["after"]["labels"] if name in plans["before"]["labels"]]
        self.labels = []
        for label in wanted:
            replies = self.together("build", label=label)
            failed = {side: str(reply) for side, reply in replies.items() if isinstance(reply, TreeError)}
            if failed:
                self.broken[label] = failed
            else:
                self.labels.append(label)
                self.built[label] = replies
        return plans

    def pin(self) -> int | None:
        """Both on the idlest core, which one of them uses at a time; None where the system has no such call."""
        core = idlest_core()
        if core is not None:
            self.together("pin", core=core)
        return core

    def round(self, label: str, samples: MethodSamples, flipped: bool) -> None:
        """Time one method on both sides, the old tree first or, flipped, the new one; another image every round.

        An image's label maps are counted the first time that it comes round. A method that fails on a side goes to `broken`.
        """
        order = list(self.sides.items())
        if flipped:
            order.reverse()
        image = samples.rounds % self.images
        counted = self.counted.setdefault(label, {side: CountedImages() for side in self.sides})
        new = any(image not in each.rows for each in counted.values())
        replies, failed = {}, {}
        for side, child in order:
            try:
                replies[side] = child.ask("time", label=label, image=image, calls=CALLS, warm=0, count=new)
            except TreeError as error:
                failed[side] = str(error)
        if failed:
            self.broken[label] = failed
            self.labels.remove(label)
            return
        for side, each in counted.items():
            if new:
                each.rows[image] = replies[side]["counted"]
        samples.add(replies["before"], replies["after"], self.epoch)

    def accuracy(self, label: str) -> dict[str, dict[str, Any]]:
        """Of the images that both sides counted, by side; empty for none."""
        counted = self.counted.get(label, {})
        common = set.intersection(*(set(each.rows) for each in counted.values())) if counted else set()
        if not common:
            return {}
        return {
            side: each.accuracy(common, self.built[label][side]["seen"], self.built[label][side]["rule"])
            for side, each in counted.items()
        }

    def rounds(
        self,
        found: dict[str, MethodSamples],
        deadline: Deadline,
        reserve_s: Callable[[], float],
        wanted: Callable[[str, MethodSamples], bool],
    ) -> None:
        """Rounds over all methods that are still wanted, in epochs, until none is or less than the reserve is left.

        Args:
            found: samples by method, filled further.
            deadline: of the whole gate.
            reserve_s: seconds that must be left, asked before every method.
            wanted: whether a method needs more rounds.
        """
        slowest = 0.0
        while open_ := [x for x in found if x not in self.broken and wanted(x, found[x])]:
            begun = deadline.spent
            self.renew(open_)
            self.pin()
            cost_of_epoch = deadline.spent - begun
            for index in range(EPOCH_ROUNDS):
                live = [each for each in self.labels if wanted(each, found[each])]
                for place, label in enumerate(live):
                    started = deadline.spent
                    if deadline.left - slowest < reserve_s():
                        return
                    self.round(label, found[label], flipped=(index + place) % 2 == 1)
                    slowest = max(slowest, deadline.spent - started)
            if not self.labels:
                return
            if deadline.left - cost_of_epoch < reserve_s():
                return


def _settled(child: Child) -> Any:
    try:
        return child.reply()
    except TreeError as error:
        return error


def idlest_core() -> int | None:
    """Of the cores that this process may use, the one with least to do just now."""
    own = psutil.Process()
    if not hasattr(own, "cpu_affinity"):
        return None
    busy = psutil.cpu_percent(interval=_LOOK_S, percpu=True)
    allowed = [core for core in own.cpu_affinity() if core < len(busy)]
    return min(allowed, key=lambda core: busy[core], default=None)
