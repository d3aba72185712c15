"""What is counted and weighed of one contestant at the base conditions, apart from the clock; each part stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from benchbed.cost.contestant import Contestant
from benchbed.cost.energy import measure_energy
from benchbed.cost.flops import count_flops
from benchbed.cost.memory import measure_peak
from benchbed.cost.outputs import TimedOutputs
from benchbed.cost.params import count_params
from benchbed.cost.picture import picture
from benchbed.images import prepare

SMALL = 128  # pixels a side: which parameters a pass reads does not depend on its input's size
Part = Callable[[], Any]


def who(contestant: Contestant, protocol: str) -> dict[str, Any]:
    """What a reader must know of a subject before any number of it."""
    contender = contestant.contender
    chosen = contender.chosen
    return {
        "label": contender.label,
        "method": chosen.found.name,
        "variant": chosen.variant.name,
        "from": chosen.found.distribution,
        "family": chosen.method.card.family,
        "colour": chosen.method.card.colour,
        "options": contestant.options.as_dict(),
        "weights": {**contender.weights.as_dict(), "sha256": contestant.sha256},
        "config": contestant.config,
        "input": contestant.base.inference.input_spec.as_dict(),
        "proposals": contender.proposals,
        "text_per_image": contender.text_per_image(protocol),
        "text": contestant.text.as_dict(),
        "failures": [],
    }


def parts(
    contestant: Contestant, plain: Contestant, known: Mapping[str, Any], outputs: TimedOutputs | None
) -> dict[str, Part]:
    """Name -> how to measure it.

    Args:
        contestant: what to measure.
        plain: the same method run plainly: what predictions are compared with.
        known: facts of the plain one, whose counts are the same; empty for the plain one itself.
        outputs: what the contestant returned while it was timed; None where it was not.
    """
    device = contestant.base.inference.device
    found: dict[str, Part] = {
        "params": lambda: known.get("params") or asdict(_params(contestant)),
        "flops": lambda: known.get("flops") or _flops(contestant),
        "memory": lambda: _memory(contestant, device),
    }
    if outputs is not None:
        found["outputs"] = lambda: outputs.against(_reference(plain, list(outputs.kept)))
    if device.type == "cuda":
        found["energy"] = lambda: _energy(contestant, device)
    return found


def _params(contestant: Contestant) -> Any:
    inference = contestant.base.inference
    spec = inference.input_spec.at(SMALL, 4 * SMALL)
    contestant.segmenter.set_input(spec)  # the next pass sets its own again
    return count_params(contestant.segmenter, prepare([picture(SMALL, SMALL)], spec, inference.device))


def _flops(contestant: Contestant) -> dict[str, Any]:
    base = contestant.base
    inference = base.inference
    features = inference.held
    counted = count_flops(
        contestant.segmenter, inference.batch_of(base.photos[:1]), inference.vocabulary, features
    )
    return {**asdict(counted), "input_size": list(base.input_size), "images": 1}


def _memory(contestant: Contestant, device: torch.device) -> dict[str, Any]:
    base = contestant.base
    peak = measure_peak(lambda: base(0), contestant.segmenter, device)
    return {**asdict(peak), "batch": base.batch}


def _reference(plain: Contestant, pictures: list[int]) -> dict[int, list[Tensor]]:
    """Label maps by the accuracy pass's own call, one photo at a time."""
    known: dict[int, Tensor] = {}
    base = plain.base

    def labels(place: int) -> Tensor:
        if place not in known:
            known[place] = base.inference.labels(base.photos[place]).cpu()
        return known[place]

    count = len(base.photos)
    return {index: [labels((index + place) % count) for place in range(base.batch)] for index in pictures}


def _energy(contestant: Contestant, device: torch.device) -> dict[str, Any] | None:
    base = contestant.base
    found = measure_energy(lambda: base(0), base.batch, device)
    return found.as_dict() if found is not None else None
