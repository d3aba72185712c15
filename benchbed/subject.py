"""A plan item made ready to measure: its segmenter built, loaded, on the device, with its vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchbed.checkpoints import load_official, weights_digest
from benchbed.inference import Inference
from benchbed.packaged_weights import unpack
from benchbed.plan import PlanItem
from benchbed.registry import resolve
from benchbed.segmenter import Segmenter
from benchbed.trained_config import trained_config
from benchbed.vocabulary import Vocabulary


@dataclass
class Subject:
    """What gets measured.

    Attributes:
        item: where it came from.
        inference: the segmenter bound to vocabulary, device and precision.
        digest: SHA-256 of its weights.
    """

    item: PlanItem
    inference: Inference
    digest: str

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter itself."""
        return self.inference.segmenter

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes with this method's spelling."""
        return self.inference.vocabulary


def make_subject(item: PlanItem, device: torch.device, random_weights: bool = False) -> Subject:
    """Build and load a plan item's segmenter.

    Args:
        item: what to build.
        device: where to put it.
        random_weights: leave the item's own weights where they are (for a forecast, which needs no accuracy).

    Raises:
        CheckpointError: its weights are damaged, unsafe, or of another method or size.
    """
    segmenter = (_random(item) if random_weights else _build(item)).eval()
    digest = weights_digest(segmenter)
    segmenter.set_input(item.protocol.input_for(item.chosen.variant, item.dataset.card)).to(device)
    card = item.chosen.method.card
    vocabulary = item.dataset.card.vocabulary(card.class_names)
    segmenter.set_vocabulary(vocabulary)
    inference = Inference(
        segmenter,
        vocabulary,
        device,
        item.protocol.precision,
        item.protocol.text_per_image(card, item.chosen.variant),
    )
    return Subject(item, inference, digest)


def config(item: PlanItem) -> dict[str, Any]:
    """The keyword arguments that were published for this variant on this dataset, or that its weights were trained with."""
    published = item.chosen.variant.config_for(item.dataset.card.published_as)
    return {**published, **trained_config(item.weights.path)}


def _build(item: PlanItem) -> Segmenter:
    path = item.weights.path
    if item.weights.kind == "file" and path is not None:
        return load_official(item.chosen.method, item.chosen.variant, path, config(item))
    segmenter = _random(item)
    if item.weights.kind == "packaged" and path is not None:
        unpack(path, segmenter)
    return segmenter


def _random(item: PlanItem) -> Segmenter:
    variant = item.chosen.variant
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(item.weights.seed)
        segmenter: Segmenter = resolve(variant.build)(**config(item))
    return segmenter
