"""Label sets of any length and order: the same photo under reordered sets, and how many pixels keep their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed import __version__
from benchbed.claims.trials import Trial
from benchbed.cost.environment import capture
from benchbed.cost.picture import picture
from benchbed.device import resolve_device
from benchbed.errors import BenchError, MissingError
from benchbed.inference import Inference
from benchbed.packaged_weights import unpack
from benchbed.registry import DATASET_GROUP, Chosen, choose, find, load_method, resolve
from benchbed.segmenter import Segmenter
from benchbed.vocabulary import Vocabulary
from benchbed.weights import RANDOM, WeightsChoice, parse

LENGTHS: Final = (
    1,
    3,
    20,
    60,
)  # one class, few, VOC's number, and more than any data set the first LSeg was trained on
ORDERS: Final = 2  # beside the first one
SIZE: Final = (480, 640)  # of a photo, pixels
IMAGES: Final = 1


def try_label_sets(
    label: str, device: str = "auto", lengths: Sequence[int] = LENGTHS, size: tuple[int, int] = SIZE
) -> Trial:
    """Run a method on label sets of several lengths, each in several orders.

    Args:
        label: `method/variant`; shipped weights where it has them, else random ones.
        device: where.
        lengths: numbers of classes.
        size: of the photo, pixels.

    Raises:
        UsageError: no such method or device.
    """
    chosen = choose(label)
    weights, where = _weights(chosen), resolve_device(device)
    segmenter = _build(chosen, weights).to(where)
    before = capture(where)
    photos = [picture(*size, seed) for seed in range(IMAGES)]
    kept: list[float] = []
    distinct: list[int] = []
    failed: list[str] = []
    for length in lengths:
        try:
            found, shares = _tried(segmenter, _names(length, chosen), photos, where)
            distinct += found
            kept += shares
        except (BenchError, RuntimeError, ValueError, IndexError) as error:  # what a fixed head may do
            failed.append(f"{length} classes: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    return Trial(
        label=chosen.label,
        weights={"kind": weights.kind, "note": weights.note},
        lengths=tuple(lengths),
        orders=ORDERS,
        images=len(photos),
        distinct=tuple(distinct),
        kept=tuple(kept),
        failed=tuple(failed),
        environment=asdict(before),
        bench={"version": __version__, "commit": before.commit, "dirty": before.dirty},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _weights(chosen: Chosen) -> WeightsChoice:
    try:
        return parse("auto", [chosen])[chosen.label]
    except MissingError:  # nobody got the official file; whether order matters shows with random ones too
        return RANDOM


def _build(chosen: Chosen, weights: WeightsChoice) -> Segmenter:
    if weights.kind == "file":
        official: Segmenter = load_method(chosen.label, weights.path)
        return official
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        segmenter: Segmenter = resolve(chosen.variant.build)(**chosen.variant.config)
    if weights.kind == "packaged" and weights.path is not None:
        unpack(weights.path, segmenter)
    segmenter.set_input(chosen.variant.inputs["*"]).eval()
    return segmenter


def _names(length: int, chosen: Chosen) -> tuple[str, ...]:
    """So many class names: COCO-Stuff's, of which there are 171, in their order; the embedded dataset's for a variant around its
    small CLIP, to which all other words are one word, so that their classes would tie.
    """
    names: tuple[str, ...] = find(
        DATASET_GROUP, "shapes" if chosen.variant.embedded else "coco-stuff"
    ).object.names
    return tuple(names[place % len(names)] + "'" * (place // len(names)) for place in range(length))


def _tried(
    segmenter: Segmenter, names: tuple[str, ...], photos: Sequence[NDArray[np.uint8]], device: torch.device
) -> tuple[list[int], list[float]]:
    """For each photo, how many classes its map holds; for each order and photo, the share of pixels that keep theirs."""
    first = [_classes(segmenter, names, photo, device) for photo in photos]
    shares = []
    for order in range(1, ORDERS + 1):
        shuffled = tuple(np.random.default_rng(order).permutation(np.array(names)).tolist())
        for photo, expected in zip(photos, first, strict=True):
            shares.append(float((_classes(segmenter, shuffled, photo, device) == expected).mean()))
    return [len(np.unique(each)) for each in first], shares


def _classes(
    segmenter: Segmenter, names: tuple[str, ...], photo: NDArray[np.uint8], device: torch.device
) -> NDArray[np.str_]:
    """[H, W] the class names that a label set gives a photo."""
    vocabulary = Vocabulary(names, (True,) * len(names))
    segmenter.set_vocabulary(vocabulary)
    labels = Inference(segmenter, vocabulary, device).labels(photo).cpu().numpy()
    named: NDArray[np.str_] = np.array(names)[labels]
    return named
