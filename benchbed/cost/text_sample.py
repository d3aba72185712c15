"""What encoding a vocabulary costs, without encoding all of it where that takes minutes.

SAN fills 14 templates and ZegFormer 33 a class: 2,394 and 5,643 prompts for COCO-Stuff's 171 classes, minutes on a CPU. Time is
in proportion to the classes, so a few of them tell it; and the image side's time does not depend on what the
features are, only on their shapes, so the few features are repeated to the number of classes. Who wants labels that mean
something measures with `benchbed run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from benchbed.cost.latency import measure_latency
from benchbed.cost.shape_only import shape_only, without_values
from benchbed.segmenter import TextFeatures
from benchbed.vocabulary import Vocabulary

if TYPE_CHECKING:
    from benchbed.segmenter import Segmenter

SAMPLED: Final = 8  # classes
ROUNDS: Final = 3
PATIENCE_S: Final = 10.0  # a whole vocabulary that takes longer is sampled; so are repeated rounds
SEEN_OF: Final = 5  # every fifth class is unseen, as five of VOC's twenty are nearly


@dataclass(frozen=True)
class TextCost:
    """Time of encoding, and features to go on with.

    Attributes:
        total_ms: samples of encoding `classes` classes; the first one is cold.
        classes: how many were encoded.
        of: K, how many the vocabulary has.
        few: features of the first 8 classes, or of all where there are fewer.
    """

    total_ms: list[float]
    classes: int
    of: int
    few: TextFeatures

    def seconds_for(self, classes: int) -> float:
        """How long encoding so many classes would take, by proportion."""
        return min(self.total_ms) / 1000 * classes / self.classes

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {"total_ms": self.total_ms, "classes": self.classes, "of": self.of, "unit": "ms"}


def made_up(classes: int) -> Vocabulary:
    """A vocabulary of K classes, every fifth one unseen; it begins as every larger one does."""
    names = tuple(f"thing {number}" for number in range(1, classes + 1))
    return Vocabulary(names, tuple(number % SEEN_OF != 0 for number in range(1, classes + 1)))


def measure_text(segmenter: Segmenter, classes: int, device: torch.device | str) -> TextCost:
    """Encode a vocabulary of K classes, or 8 of them where the rest would take more than 10 s.

    Args:
        segmenter: in evaluation mode; its features stay float32, as the bench caches them.
        classes: K.
        device: where it is; decides the clock.
    """
    sampled = min(classes, SAMPLED)
    times, few = _encode(segmenter, made_up(sampled), device)
    cost = TextCost(times, sampled, classes, few)
    if sampled == classes or cost.seconds_for(classes) > PATIENCE_S:
        return cost
    times, _ = _encode(segmenter, made_up(classes), device)
    return TextCost(times, classes, classes, few)


def _encode(
    segmenter: Segmenter, vocabulary: Vocabulary, device: torch.device | str
) -> tuple[list[float], TextFeatures]:
    kept: list[TextFeatures] = []

    def encode(_: int) -> None:
        with torch.inference_mode():
            kept[:] = [segmenter.encode_vocabulary(vocabulary)]

    found = measure_latency({"text": encode}, ROUNDS - 1, 0, device, deadline_s=PATIENCE_S)["text"]
    return [found.first_call_ms, *found.total_ms], kept[0]


def features_for(segmenter: Segmenter, classes: int, cost: TextCost) -> TextFeatures:
    """Features of K classes: encoded, or repeated from the first few where encoding would take more than 10 s."""
    if classes == len(made_up(min(cost.of, SAMPLED))):
        return cost.few
    if classes > SAMPLED and cost.seconds_for(classes) > PATIENCE_S:
        return spread(segmenter, cost.few, min(cost.of, SAMPLED), made_up(classes))
    with torch.inference_mode():
        return segmenter.encode_vocabulary(made_up(classes))


def spread(segmenter: Segmenter, few: TextFeatures, have: int, vocabulary: Vocabulary) -> TextFeatures:
    """Features of a few classes, repeated to the shapes that the whole vocabulary would have.

    The shapes come from a pass without values; where the method does not allow one, everything is encoded after all.

    Args:
        segmenter: whose features they are.
        few: of the first `have` classes.
        vocabulary: K classes.
    """
    try:
        shapes = without_values(lambda: shape_only(segmenter).encode_vocabulary(vocabulary))
    except Exception:  # whatever stops a pass without values says nothing of the real one
        with torch.inference_mode():
            return segmenter.encode_vocabulary(vocabulary)

    def repeated(tensor: Tensor, like: Tensor) -> Tensor:
        return _repeated(tensor, tuple(like.shape), have, len(vocabulary))

    extra = {name: repeated(few.extra[name], like) for name, like in shapes.extra.items()}
    return TextFeatures(repeated(few.embeddings, shapes.embeddings), extra)


def _repeated(tensor: Tensor, shape: tuple[int, ...], few: int, whole: int) -> Tensor:
    """Rows 0, 1, ... few - 1, 0, 1, ... along each axis that grows with the vocabulary.

    Rows that are of no class (a background's) stay at the end.
    """
    for axis, (have, want) in enumerate(zip(tensor.shape, shape, strict=True)):
        if have == want:
            continue
        rows = torch.arange(want, device=tensor.device) % have
        if have - few == want - whole > 0:
            rows[:whole] = torch.arange(whole, device=tensor.device) % few
            rows[whole:] = torch.arange(few, have, device=tensor.device)
        tensor = tensor.index_select(axis, rows)
    return tensor
