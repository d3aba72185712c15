"""The verdict of a claim: supported, refuted or undecided, with what was measured and why. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchbed.claims.accurate import accurate
from benchbed.claims.claim import ACCURACY, COUNTED, METRICS, Claim, Pair
from benchbed.claims.counted import counted
from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Decision, Finding, Measured, PublishedFinding, Verdict, number_text
from benchbed.claims.printed import printed
from benchbed.claims.timed import machine_words, measured, timed_runs, unmet

KINDS: Final = ("cuda", "cpu")


def decide(claim: Claim, evidence: Evidence) -> list[Verdict]:
    """The verdict; of a claim about time one for each kind of hardware that fitting records were measured on."""
    kinds = KINDS if claim.metric == "latency" else ("",)
    found = [_decide(claim, evidence, kind) for kind in kinds]
    measured = [each for each in found if each.span is not None]
    return measured or found[-1:]


def _decide(claim: Claim, evidence: Evidence, kind: str) -> Verdict:
    findings, not_used = [], []
    for pair in claim.pairs:
        finding, unused = find(claim, pair, evidence, kind)
        findings.append(finding)
        not_used += unused
    stand_ins = [find(claim, pair, evidence, kind, stand_in=True)[0] for pair in claim.stand_ins]
    tables = printed(claim)
    decision = overall(claim, findings)
    return Verdict(
        claim,
        decision,
        _hardware(findings, evidence),
        _reason(claim, findings, tables),
        tuple(findings),
        tuple(each for each in stand_ins if each.measured),
        tables,
        tuple(dict.fromkeys(not_used)),
        _next_step(claim, findings) if decision == "undecided" else "",
    )


def find(
    claim: Claim, pair: Pair, evidence: Evidence, kind: str, stand_in: bool = False
) -> tuple[Finding, list[str]]:
    """What one pair came to, and why other evidence of its methods was not used."""
    if pair.missing:
        return Finding(pair, "undecided", f"{pair.subject}: {pair.missing}"), []
    found, not_used = _measured(claim, pair, evidence, kind, stand_in)
    if found is None:
        opponent = f" and {pair.opponent}" if pair.opponent else ""
        return Finding(
            pair, "undecided", f"nothing measured of {pair.subject}{opponent} meets the conditions"
        ), not_used
    if isinstance(found, str):
        return Finding(pair, "undecided", found), not_used
    side = claim.side_of(found.low, found.high)
    decisions: dict[str, Decision] = {"inside": "supported", "below": "refuted", "above": "refuted"}
    return Finding(
        pair, decisions.get(side, "undecided"), _pair_reason(claim, pair, found, side), found
    ), not_used


def _measured(
    claim: Claim, pair: Pair, evidence: Evidence, kind: str, stand_in: bool
) -> tuple[Measured | str | None, list[str]]:
    if claim.metric in ACCURACY:
        return accurate(claim, pair, evidence, stand_in)
    if claim.metric in COUNTED:
        return counted(claim, pair, evidence), []
    if claim.metric == "latency":
        return _timed(claim, pair, evidence, kind)
    return _tried(pair, evidence), []


def _timed(claim: Claim, pair: Pair, evidence: Evidence, kind: str) -> tuple[Measured | None, list[str]]:
    """The newest run on this hardware that meets the conditions."""
    not_used = []
    for run in reversed(timed_runs(claim, pair, evidence)):
        wrong = unmet(claim, run)
        if wrong:
            not_used.append(f"{', '.join(run.evidence)} ({run.machine}): {'; '.join(wrong)}")
        elif run.hardware == kind:
            return measured(claim, run), not_used
    return None, not_used


def _tried(pair: Pair, evidence: Evidence) -> Measured | None:
    """The newest label-set trial; the lowest share is what a claim about any order must hold for."""
    trial = next((each for each in reversed(evidence.trials) if each.label == pair.subject), None)
    if trial is None:
        return None
    shares = [100 * share for share in trial.kept] + [0.0] * len(trial.failed)
    lengths = ", ".join(map(str, trial.lengths))
    what = f"label sets of {lengths} classes in {trial.orders + 1} orders each"
    where = f"{what}, {trial.images} photo{'s' if trial.images > 1 else ''}, {trial.weights['kind']} weights"
    if trial.distinct:
        where += f", up to {max(trial.distinct)} classes on a map"
    mean = sum(shares) / len(shares)
    return Measured(mean, min(shares), max(shares), where, (trial.id,), trial.failed)


def _pair_reason(claim: Claim, pair: Pair, found: Measured, side: str) -> str:
    words = {
        "inside": f"inside the claimed {claim.interval_text}",
        "below": f"below the claimed {claim.interval_text}",
        "above": f"more than the claimed {claim.interval_text}",
        "across": f"its interval reaches across an end of the claimed {claim.interval_text}",
    }
    opponent = f" against {pair.against}" if pair.against else ""
    if pair.published:
        opponent = f" against {next(each.against for each in claim.citations if each.name == pair.published)}"
    what = METRICS[claim.metric].words
    times = " times less" if claim.comparison == "times less" else ""
    number = (
        number_text(found, claim.unit).removesuffix(f" {claim.unit}")
        if times
        else number_text(found, claim.unit)
    )
    return f"{pair.subject}{opponent}: {what} {number}{times} ({found.where}): {words[side]}"


def overall(claim: Claim, findings: Sequence[Finding]) -> Decision:
    """`every`: all pairs hold; `some`: one does. Refuted only where no pair that is open could change it."""
    decisions = [each.decision for each in findings]
    yes, no = "supported", "refuted"
    if claim.over == "some":
        yes, no = no, yes
    # Now `no` settles it alone, and `yes` only if it is unanimous.
    if no in decisions:
        return "refuted" if claim.over == "every" else "supported"
    if all(each == yes for each in decisions):
        return "supported" if claim.over == "every" else "refuted"
    return "undecided"


def _reason(claim: Claim, findings: Sequence[Finding], tables: Sequence[PublishedFinding]) -> str:
    sentences = [each.reason for each in findings]
    own = [each.text for each in tables if each.own and each.agrees is False]
    if own:
        sentences.append(f"the paper's own table contradicts its sentence: {'; '.join(own)}")
    return ". ".join(sentences)


def _hardware(findings: Sequence[Finding], evidence: Evidence) -> str:
    """The machine of the newest evidence used, in words."""
    used = {
        name
        for each in findings
        if each.measured and each.measured.hardware
        for name in each.measured.evidence
    }
    words = [machine_words(c.environment, c.protocol["threads"]) for c in evidence.costs if c.id in used]
    words += [machine_words(r.environment, r.protocol["threads"]) for r in evidence.records if r.id in used]
    return words[-1] if words else ""


def _next_step(claim: Claim, findings: Sequence[Finding]) -> str:
    """What a person can do about an undecided claim."""
    open_pairs = [each for each in findings if each.decision == "undecided" and not each.pair.missing]
    if not open_pairs:
        return "nothing can be measured here: the opponent is not in this bench"
    if claim.metric not in ACCURACY:
        if all(each.measured for each in open_pairs):
            return "more rounds on a quiet machine make the interval narrower: benchbed claims with more --minutes"
        return f"benchbed claims {claim.name} measures it"
    labels = dict.fromkeys(
        label for each in open_pairs for label in (each.pair.subject, each.pair.against) if label
    )
    dataset = claim.conditions.dataset or "voc"
    trained = (
        ", with trained weights (--weights method=PATH,...)" if claim.conditions.weights == "trained" else ""
    )
    return f"benchbed run --methods {','.join(labels)} --dataset {dataset} --data-root DIR{trained}"
