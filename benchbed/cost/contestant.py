"""One method in one way of running, built and bound to every place it is measured at; equal tensors exist once."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from benchbed.checkpoints import load_official, weights_digest
from benchbed.cost.conditions import Conditions
from benchbed.cost.options import Options, apply
from benchbed.cost.picture import picture
from benchbed.cost.request import Contender, CostRequest
from benchbed.cost.text_sample import TextCost, features_for, made_up, measure_text
from benchbed.cost.timed_pass import HeldInference, Photos, TimedPass
from benchbed.errors import UsageError
from benchbed.packaged_weights import unpack
from benchbed.registry import resolve
from benchbed.segmenter import Segmenter
from benchbed.trained_config import trained_config

PICTURES: Final = 2  # each is seen in both orders within four rounds


@dataclass
class Contestant:
    """What gets measured side by side with others.

    Attributes:
        key: `method/variant`, and its options in brackets where they are not plain.
        contender: where it came from.
        options: how it is run.
        config: keywords it was built with.
        sha256: of its weights.
        text: cost of encoding the base vocabulary.
        places: what to time, by conditions; the base comes first.
    """

    key: str
    contender: Contender
    options: Options
    config: dict[str, Any]
    sha256: str
    text: TextCost
    places: dict[Conditions, TimedPass] = field(default_factory=dict)

    @property
    def base(self) -> TimedPass:
        """The pass at the base conditions."""
        return next(iter(self.places.values()))

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter of the base."""
        return self.base.inference.segmenter


def build(contender: Contender, request: CostRequest, device: torch.device) -> list[Contestant]:
    """Build a method once, and bind it in every way and at every place that was asked for; the plain way comes first.

    A compiled pass is bound to the base alone.

    Raises:
        CheckpointError: its weights are damaged, unsafe, or of another method or size.
        UsageError: it cannot be built with another number of proposals.
    """
    config = {**contender.chosen.variant.config, **trained_config(contender.weights.path)}
    segmenter = _load(contender, config).eval()
    sha256 = weights_digest(segmenter)
    segmenter.to(device)
    places = contender.places(request)
    by_proposals = {
        place.proposals: _with_proposals(segmenter, contender, config, place.proposals, device)
        for place in places
    }
    text = measure_text(segmenter, places[0].classes, device)
    found = []
    for options in request.options:
        numbers = [places[0].proposals] if options.compile else list(by_proposals)
        made = {number: _prepared(by_proposals[number], options) for number in numbers}
        key = contender.label + (f" [{options.words}]" if options.words else "")
        contestant = Contestant(key, contender, options, config, sha256, text)
        for place in places[:1] if options.compile else places:  # compiling takes minutes a place
            contestant.places[place] = _bound(made[place.proposals], contestant, place, request, device)
        found.append(contestant)
    return found


def _load(contender: Contender, config: dict[str, Any]) -> Segmenter:
    chosen, choice = contender.chosen, contender.weights
    if choice.kind == "file" and choice.path is not None:
        loaded: Segmenter = load_official(chosen.method, chosen.variant, choice.path, config)
        return loaded
    segmenter = _random(contender, config)
    if choice.kind == "packaged" and choice.path is not None:
        unpack(choice.path, segmenter)
    return segmenter


def _random(contender: Contender, config: dict[str, Any]) -> Segmenter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(contender.weights.seed)
        segmenter: Segmenter = resolve(contender.chosen.variant.build)(**config)
    return segmenter


def _with_proposals(
    segmenter: Segmenter,
    contender: Contender,
    config: dict[str, Any],
    proposals: int | None,
    device: torch.device,
) -> Segmenter:
    """The same network with another number of proposals: all tensors of equal shape are the very same ones."""
    if proposals is None or proposals == contender.proposals:
        return segmenter
    try:
        other: Segmenter = _random(contender, {**config, "queries": proposals}).eval().to(device)
    except TypeError as error:
        raise UsageError(
            f"{contender.label}: it says that it proposes masks, but its build does not take queries={proposals} ({error}); "
            "correct the method's card or its build"
        ) from error
    theirs = other.state_dict()
    shared = {
        name: tensor
        for name, tensor in segmenter.state_dict().items()
        if name in theirs and theirs[name].shape == tensor.shape
    }
    other.load_state_dict(shared, strict=False, assign=True)
    for parameter, like in zip(other.parameters(), segmenter.parameters(), strict=True):
        parameter.requires_grad_(like.requires_grad)
    return other


def _prepared(segmenter: Segmenter, options: Options) -> Segmenter:
    """A copy where the options change the network itself; else the network."""
    own = options.compile or options.channels_last
    return apply(copy.deepcopy(segmenter), options) if own else segmenter


def _bound(
    segmenter: Segmenter,
    contestant: Contestant,
    place: Conditions,
    request: CostRequest,
    device: torch.device,
) -> TimedPass:
    contender, options = contestant.contender, contestant.options
    per_image = contender.text_per_image(request.protocol)
    inference = HeldInference(
        segmenter,
        made_up(place.classes),
        device,
        options.precision,
        per_image,
        held=None if per_image else features_for(segmenter, place.classes, contestant.text),
        channels_last=options.channels_last,
        spec=contender.input_for(place, request.protocol),
    )
    return TimedPass(inference, photos(place), place.batch)


def photos(place: Conditions) -> Photos:
    """The pictures that are timed under these conditions."""
    return [picture(*place.size, seed) for seed in range(PICTURES)]
