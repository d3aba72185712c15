"""Parameters and FLOPs of a pair: counted, so exact; from records, else from the variants' cards."""

from __future__ import annotations

from typing import Final

from benchbed.claims.claim import Claim, Pair
from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Measured
from benchbed.errors import UsageError
from benchbed.registry import choose

_PARAMS: Final = {"params": "total", "trainable": "trainable"}


def counted(claim: Claim, pair: Pair, evidence: Evidence) -> Measured | str:
    """The opponent's count over the subject's, or why there is none."""
    found = []
    for label in (pair.subject, pair.against):
        count = _params(claim, label, evidence) if claim.metric in _PARAMS else _flops(claim, label, evidence)
        if isinstance(count, str):
            return count
        found.append(count)
    (ours, source), (theirs, other) = found
    ratio = theirs / ours
    unit, words = ("M", 1e6) if claim.metric in _PARAMS else ("GFLOPs", 1e9)
    text = f"{theirs / words:,.2f} {unit} against {ours / words:,.2f} {unit}"
    sources = tuple(dict.fromkeys((source, other)))
    return Measured(ratio, ratio, ratio, where=text, evidence=sources)


def _params(claim: Claim, label: str, evidence: Evidence) -> tuple[float, str] | str:
    key = _PARAMS[claim.metric]
    for cost in reversed(evidence.costs):
        for each in cost.subjects.values():
            if each["label"] == label and each.get("params"):
                return float(each["params"][key]), cost.id
    for record in reversed(evidence.records):
        if record.label == label and record.cost.get("params"):
            return float(record.cost["params"][key]), record.id
    return _card(label, key)


def _card(label: str, key: str) -> tuple[float, str] | str:
    try:
        params = choose(label).variant.params
    except UsageError as error:
        return str(error)
    if params is None:
        return f"{label}: neither a record nor its card has its parameters; benchbed cost --methods {label} counts them"
    return float(params[key == "trainable"]), f"card of {label}"


def _flops(claim: Claim, label: str, evidence: Evidence) -> tuple[float, str] | str:
    """FLOPs of one image at the claim's conditions; only cost records state theirs."""
    wanted = claim.conditions
    for cost in reversed(evidence.costs):
        base = cost.conditions
        if wanted.size not in (None, base.size) or wanted.classes not in (None, base.classes):
            continue
        for key, each in cost.subjects.items():
            proposals = cost.base_of(key).proposals
            fits = proposals is None or wanted.proposals in (None, proposals)
            if each["label"] == label and each.get("flops") and fits:
                return float(each["flops"]["total"]), cost.id
    return f"{label}: no cost record with FLOPs at the claim's conditions"
