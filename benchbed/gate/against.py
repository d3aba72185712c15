"""`--against REV`: the working tree against another revision, side by side on this machine. Free of torch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

from benchbed.cost.deadline import Deadline
from benchbed.errors import MissingError, UsageError
from benchbed.gate.child import TimeUpError, TreeError, finish_import, start_import
from benchbed.gate.exact import exact_findings
from benchbed.gate.facts import Facts, facts_from
from benchbed.gate.finding import Finding, Outcome, Verdict, accept
from benchbed.gate.judging import (
    Limits,
    dismissed,
    limits,
    speed_findings,
    suspected,
    unclear,
    wait_finding,
)
from benchbed.gate.nursery import Nursery
from benchbed.gate.pair import Pair
from benchbed.gate.request import GateRequest
from benchbed.gate.samples import MethodSamples
from benchbed.gate.worktree import Tree, revision, working_tree
from benchbed.progress import Reporter

CONFIRMING: Final = 0.45  # of the time for rounds, kept for suspects
CONFIRM_ROUNDS: Final = (
    120  # of each suspect, at most: fifteen percent of noise a round shrink to one and a half
)
GRACE_S: Final = 20.0  # past the time asked for, within which what was begun must end: 150 s stay below issue 5's three minutes
ENDING_S: Final = 2.0  # to end two processes and remove a worktree


@dataclass
class Measured:
    """Everything that two children said; filled as it comes, so that a gate that breaks off can show its parts."""

    facts: dict[str, dict[str, Facts]] = field(default_factory=dict)
    screened: dict[str, MethodSamples] = field(default_factory=dict)
    fresh: dict[str, MethodSamples] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    broken: dict[str, dict[str, str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what there is to keep of a gate that broke off."""
        return {
            "facts": {
                label: {side: each.as_dict() for side, each in sides.items()}
                for label, sides in self.facts.items()
            },
            "ms": {
                step: {label: _samples(each) for label, each in found.items()}
                for step, found in (("screened", self.screened), ("confirming", self.fresh))
            },
        }


def gate_against(name: str, request: GateRequest, reporter: Reporter, measured: Measured) -> Verdict:
    """Measure and judge.

    Args:
        name: the revision.
        request: what else was asked.
        reporter: hears of progress.
        measured: empty; filled with all that was measured, also where the gate breaks off.

    Raises:
        UsageError: no such revision, it does not import, or unknown methods.
        MeasurementError: a child died.
    """
    deadline = Deadline(request.seconds)
    here = working_tree(request.repository)
    limit = limits(request.margin, request.effect)
    with ExitStack() as stack:
        old = stack.enter_context(revision(here.root, name))
        verdict = Verdict(old.words, here.words, request.margin, request.effect)
        reporter.note(f"gate: {here.words} against {old.words}; importing both")
        try:
            pair = _pair(old, here, request, stack)
            _measure(pair, measured, deadline, limit, reporter)
        except TimeUpError as error:
            measured.notes.append(str(error))
    verdict.findings = accept(findings(measured, limit), request.accepted)
    verdict.notes = measured.notes
    verdict.seconds = deadline.spent
    return verdict


def _measure(pair: Pair, measured: Measured, deadline: Deadline, limit: Limits, reporter: Reporter) -> None:
    try:
        _exact(pair, measured, reporter)
        _screen(pair, measured, deadline, limit, reporter)
        _confirm(pair, measured, deadline, limit, reporter)
    finally:
        _accuracy(pair, measured)


def _pair(old: Tree, here: Tree, request: GateRequest, stack: ExitStack) -> Pair:
    nursery = Nursery([(tree.name, tree.root) for tree in (old, here)], request.seconds + GRACE_S)
    stack.callback(nursery.close)
    for child in nursery.children:
        start_import(child)
    for child in nursery.children:
        finish_import(child)
    before, after = nursery.children
    return Pair(before, after, request.methods, request.images)


def _exact(pair: Pair, measured: Measured, reporter: Reporter) -> None:
    """Build everything once, count and predict on both sides at once."""
    plans = pair.renew([])
    _check(plans)
    measured.notes += _only_one_side(plans)
    measured.broken = pair.broken
    for label in pair.labels:
        facts = pair.together("facts", label=label)
        failed = {side: str(reply) for side, reply in facts.items() if isinstance(reply, TreeError)}
        if failed:
            measured.broken[label] = failed
            continue
        digests = {side: built["sha256"] for side, built in pair.built[label].items()}
        measured.facts[label] = {
            side: facts_from({**facts[side], "accuracy": {}, "weights": digests[side]}) for side in pair.sides
        }
        if digests["before"] != digests["after"]:
            measured.notes.append(
                f"{label}: other weights than before, by itself a reason for other label maps"
            )
    reporter.note(
        f"gate: {len(measured.facts)} methods counted; running them in turn on {pair.images} images, timed"
    )


def _accuracy(pair: Pair, measured: Measured) -> None:
    """What the timed calls predicted becomes part of the facts."""
    for label, sides in measured.facts.items():
        found = pair.accuracy(label)
        count = len(found["before"]["ids"]) if found else 0
        if count < pair.images:
            measured.notes.append(
                f"{label}: accuracy of {count} of {pair.images} images: the time was up; give more with --seconds"
            )
        for side in found:
            sides[side] = replace(sides[side], accuracy=found[side])


def _check(plans: dict[str, dict[str, Any]]) -> None:
    """Names that the working tree itself does not know are the user's mistake; another dataset is another measurement."""
    for name, why in plans["after"]["missing"].items():
        raise UsageError(f"--methods {name}: {why}")
    old, new = plans["before"]["protocol"], plans["after"]["protocol"]
    if not old or not new:
        return
    for part, words in (("content", "images of the embedded dataset"), ("fingerprint", "protocol")):
        if old[part] != new[part]:
            raise MissingError(
                f"the two trees measure under another {words} ({old[part][:12]} / {new[part][:12]}): no figure of one can be "
                "held against the other; gate against a revision from after that change"
            )


def _only_one_side(plans: dict[str, dict[str, Any]]) -> list[str]:
    before, after = plans["before"]["labels"], plans["after"]["labels"]
    new = [f"{label}: not in the other revision, so not compared" for label in after if label not in before]
    gone = [
        f"{label}: not in the working tree any more, so not compared"
        for label in before
        if label not in after
    ]
    return new + gone


def _screen(pair: Pair, measured: Measured, deadline: Deadline, limit: Limits, reporter: Reporter) -> None:
    found = measured.screened = {label: MethodSamples() for label in measured.facts}
    kept = CONFIRMING * max(0.0, deadline.left - ENDING_S)

    def reserve() -> float:
        doubted = any(suspected(each, limit) for each in found.values())
        return ENDING_S + (kept if doubted else 0.0)

    def wanted(_: str, samples: MethodSamples) -> bool:
        return samples.rounds < pair.images or bool(unclear(samples, limit))

    pair.rounds(found, deadline, reserve, wanted)
    measured.notes += [
        f"{label}: stage {part} is in one tree alone, so it counts in the whole only"
        for label, samples in found.items()
        for part in sorted(samples.one_sided)
    ]
    doubted = _suspects(measured, limit)
    rounds = [each.rounds for each in found.values()] or [0]
    reporter.note(
        f"gate: {min(rounds)} to {max(rounds)} rounds a method in {pair.epoch} pairs of processes; "
        + (f"measuring {', '.join(doubted)} anew" if doubted else "nothing seems slower")
    )


def _confirm(pair: Pair, measured: Measured, deadline: Deadline, limit: Limits, reporter: Reporter) -> None:
    found = measured.fresh = {label: MethodSamples() for label in _suspects(measured, limit)}

    def wanted(label: str, samples: MethodSamples) -> bool:
        doubted = suspected(measured.screened[label], limit)
        return samples.rounds < CONFIRM_ROUNDS and not dismissed(samples, doubted, limit)

    if found:
        pair.rounds(found, deadline, lambda: ENDING_S, wanted)


def _suspects(measured: Measured, limit: Limits) -> list[str]:
    return [label for label, samples in measured.screened.items() if suspected(samples, limit)]


def findings(measured: Measured, limit: Limits) -> list[Finding]:
    """All that follows from what was measured, method by method."""
    suspects = sum(len(suspected(each, limit)) for each in measured.screened.values())
    found = [_runs(label, failed) for label, failed in measured.broken.items() if "after" in failed]
    for label, facts in measured.facts.items():
        if label in measured.broken:
            continue
        found += exact_findings(label, facts["before"], facts["after"])
        samples = measured.screened.get(label, MethodSamples())
        if not samples.parts:
            why = "the time was up before it could be timed; give more with --seconds"
            found.append(Finding(label, "latency", "", Outcome.INCONCLUSIVE, why=why))
            continue
        found += speed_findings(label, samples, measured.fresh.get(label), suspects, limit)
        waits = wait_finding(label, samples.waits.get("before"), samples.waits.get("after"), samples.rounds)
        found += [waits] if waits else []
    return found


def _runs(label: str, failed: dict[str, str]) -> Finding:
    """A method that the working tree cannot run: regressed if the other revision can."""
    if "before" in failed:
        return Finding(
            label, "runs", "", Outcome.INCONCLUSIVE, why=f"it runs in neither tree: {failed['after']}"
        )
    return Finding(label, "runs", "", Outcome.REGRESSED, why=f"it ran before; now: {failed['after']}")


def _samples(samples: MethodSamples) -> dict[str, Any]:
    return {
        part or "total": {"before": each.before_ms, "after": each.after_ms, "epoch": each.epoch}
        for part, each in samples.parts.items()
    }
