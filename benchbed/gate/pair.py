"""Two children that measure two trees in turn, so that both meet the same noise. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from benchbed.cost.deadline import Deadline
from benchbed.gate.child import Child, TreeError
from benchbed.gate.samples import MethodSamples

PHOTOS: Final = 8  # that calls are timed on, in turn
CALLS: Final = 2  # heard a round and side, after an unheard one that warms what the other side cooled
EPOCH_ROUNDS: Final = 10  # after which workers are forked anew
_LOOK_S: Final = 0.5  # for the idlest core


@dataclass
class Pair:
    """The tree that was, and the tree that is.

    Attributes:
        before, after: their children, imported.
        methods: names as the user gave them.
        images: of the accuracy pass.
        epoch: how many pairs of workers were forked so far.
    """

    before: Child
    after: Child
    methods: Sequence[str]
    images: int
    epoch: int = 0
    labels: list[str] = field(default_factory=list)
    broken: dict[str, dict[str, str]] = field(default_factory=dict)
    digests: dict[str, dict[str, str]] = field(default_factory=dict)

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
                self.digests[label] = {side: reply["sha256"] for side, reply in replies.items()}
        return plans

    def pin(self) -> int | None:
        """Both on the idlest core, which one of them uses at a time; None where the system has no such call."""
        core = idlest_core()
        if core is not None:
            self.together("pin", core=core)
        return core

    def round(self, label: str, samples: MethodSamples, flipped: bool) -> None:
        """Time one method on both sides, the old tree first or, flipped, the new one; the photo changes every second round."""
        order = list(self.sides.items())
        if flipped:
            order.reverse()
        photo = samples.rounds // 2 % PHOTOS
        replies = {side: child.ask("time", label=label, image=photo, calls=CALLS) for side, child in order}
        samples.add(replies["before"], replies["after"], self.epoch)

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
        while open_ := [label for label in found if wanted(label, found[label])]:
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
