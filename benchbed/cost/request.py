"""What a person asked `benchbed cost` for, and all of it that can be refused before anything is built. Free of torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchbed import weights
from benchbed.cost.conditions import AXES, Conditions, Value
from benchbed.cost.options import Options, combinations
from benchbed.cost.stopping import Stopping
from benchbed.errors import UsageError
from benchbed.input_spec import InputSpec
from benchbed.protocol import AS_PUBLISHED, PRECISIONS, SUMMARIES, TIMED, Precision
from benchbed.protocol import Protocol as BenchProtocol
from benchbed.registry import Chosen, choose, unknown
from benchbed.weights import WeightsChoice

MATCHED_INPUT: Final = "the photo's own size, the same for all, padded as each network needs"
MATCHED_TEXT: Final = "once a vocabulary"


@dataclass(frozen=True)
class CostRequest:
    """One field a flag.

    Attributes:
        methods: `method` (its full-size variant) or `method/variant`.
        conditions: the base.
        sweeps: axis -> values.
        protocol: `matched` or `paper`.
        weights: as `--weights` of a run; random ones need nothing.
        device: `auto`, `cpu`, `cuda` or `cuda:n`.
        precisions, compiled, channels_last: what is measured beside the plain pass.
        throughput: whether to look for the largest batch.
        memory_budget: bytes that weights and activations of one subject may take; None for half of what is free, or the card's.
        stopping: of the timed rounds.
    """

    methods: tuple[str, ...]
    conditions: Conditions = field(default_factory=Conditions)
    sweeps: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    protocol: str = "matched"
    weights: str = "random"
    device: str = "auto"
    precisions: tuple[Precision, ...] = ("fp32",)
    compiled: bool = False
    channels_last: bool = False
    throughput: bool = False
    memory_budget: int | None = None
    stopping: Stopping = field(default_factory=Stopping)

    @property
    def options(self) -> list[Options]:
        """Every way each method is run, the plain pass first."""
        return combinations(self.precisions, self.compiled, self.channels_last)


@dataclass(frozen=True)
class Contender:
    """A variant with its weights."""

    chosen: Chosen
    weights: WeightsChoice

    @property
    def label(self) -> str:
        """`method/variant`."""
        return self.chosen.label

    @property
    def proposals(self) -> int | None:
        """Masks an image as published; None where it proposes none."""
        return self.chosen.variant.proposals

    def places(self, request: CostRequest) -> list[Conditions]:
        """Where it is measured: the base, then every value of every sweep that means something to it, none twice."""
        base = request.conditions
        if self.proposals is None:
            base = base.at("proposals", None)
        elif base.proposals is None:
            base = base.at("proposals", self.proposals)
        swept = [
            base.at(axis, value)
            for axis, values in request.sweeps.items()
            if not (axis == "proposals" and self.proposals is None)
            for value in values
        ]
        return list(dict.fromkeys([base, *swept]))

    def input_for(self, conditions: Conditions, protocol: str) -> InputSpec:
        """What its network is fed there: the photo's own size, or what was published."""
        published = self.chosen.variant.inputs["*"]
        size = conditions.size
        return published if protocol == "paper" else published.at(min(size), max(size))

    def text_per_image(self, protocol: str) -> bool:
        """Whether the timed call runs the text tower too."""
        card, variant = self.chosen.method.card, self.chosen.variant
        published = card.text_per_image if variant.text_per_image is None else variant.text_per_image
        return protocol == "paper" and published


def contenders(request: CostRequest) -> list[Contender]:
    """Resolve names and weights, and refuse what cannot be measured.

    Raises:
        UsageError: an unknown name, or flags that make no sense together.
        MissingError: weights that are not there.
    """
    _check(request)
    chosen = [choose(name) for name in request.methods]
    labels = [each.label for each in chosen]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise UsageError(f"--methods: {', '.join(repeated)} is named twice; name each once")
    choices = weights.parse(request.weights, chosen)
    found = [Contender(each, choices[each.label]) for each in chosen]
    asked = request.conditions.proposals is not None or "proposals" in request.sweeps
    if asked and all(each.proposals is None for each in found):
        raise UsageError(
            f"proposals: none of {', '.join(labels)} proposes masks; leave --proposals and --sweep proposals out, "
            "or add a method that does, e.g. san"
        )
    return found


def _check(request: CostRequest) -> None:
    if not request.methods:
        raise UsageError("--methods is missing; name what to measure, e.g. --methods san,deop,zegformer")
    if request.protocol not in SUMMARIES:
        raise UsageError(unknown("protocol", request.protocol, SUMMARIES))
    for precision in request.precisions:
        if precision not in PRECISIONS:
            raise UsageError(f"--precision {precision}: expected some of {', '.join(PRECISIONS)}")
    for axis in request.sweeps:
        if axis not in AXES:
            raise UsageError(f"--sweep {axis}: expected an axis of {', '.join(AXES)}")
    if request.protocol == "paper" and "size" in request.sweeps:
        raise UsageError(
            "--sweep size: under --protocol paper a network's input is as published, whatever the photo's size; "
            "use --protocol matched"
        )


def protocol_facts(name: str, threads: int, device: str) -> dict[str, Any]:
    """Every choice that changes a time and is the same for all subjects, with its fingerprint."""
    defaults = BenchProtocol.__dataclass_fields__
    facts: dict[str, Any] = {
        "name": name,
        "input": AS_PUBLISHED if name == "paper" else MATCHED_INPUT,
        "text": AS_PUBLISHED if name == "paper" else MATCHED_TEXT,
        "resize": defaults["resize"].default,
        "labels": defaults["labels"].default,
        "timed": TIMED,
        "photos": "drawn by benchbed.cost.picture",
        "threads": threads,
        "device": device,
    }
    content = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return {**facts, "fingerprint": hashlib.sha256(content.encode()).hexdigest()[:16]}
