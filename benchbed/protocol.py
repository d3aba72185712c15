"""Every choice that changes a number, named and fingerprinted. Free of torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from benchbed.datasets.dataset import DatasetCard
from benchbed.errors import UsageError
from benchbed.input_spec import InputSpec
from benchbed.method_card import MethodCard, Variant
from benchbed.registry import unknown

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16", "fp16")
AS_PUBLISHED: Final = "as published"
TIMED: Final = (
    "from the decoded RGB image to the label map at its own size; decoding and counting are outside"
)

SUMMARIES: Final = {
    "paper": "each method exactly as published: its own input size, prompts, text caching and order of resizing",
    "matched": "one input size, batch, precision and thread count for all, text encoded once; speed claims are judged under it",
}


@dataclass(frozen=True)
class Protocol:
    """The choices of one run on one dataset. Two records share a table only where these agree.

    Attributes:
        name: `paper` or `matched`.
        input: `as published`, or the short and longest side in pixels that all methods share.
        resize: how images shrink or grow on the way in.
        text: when the text tower runs: `as published` or `once a vocabulary`.
        prompts: where templates and the spelling of class names come from.
        window: whole images or sliding windows.
        augmentation: test-time augmentation.
        classes: which classes compete for a pixel.
        background, ignored: the dataset's rules.
        absent_rule: what a class without ground truth does to a mean (`benchbed.metrics`).
        labels: how scores become a label map.
        precision: of the forward pass; scores become labels in float32.
        batch: images a forward pass while counting, all of one input size; times are of one image a call.
        threads: intra-op CPU threads.
        device: `cpu` or `cuda`.
        timed: what lies between start and stop of the clock.
    """

    name: str
    input: str
    text: str
    background: str
    precision: Precision
    threads: int
    device: str
    resize: str = "PIL bilinear, antialiased, on uint8"
    prompts: str = AS_PUBLISHED
    window: str = "whole image"
    augmentation: str = "none"
    classes: str = "generalised: all classes of the vocabulary compete"
    ignored: str = "ignored pixels count neither as ground truth nor as predictions"
    absent_rule: str = "union"
    labels: str = "bilinear, in the method's published order, argmax, lowest class wins a tie"
    batch: int = 1
    timed: str = TIMED

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 over all fields."""
        content = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record, with the fingerprint."""
        return {**asdict(self), "fingerprint": self.fingerprint}

    def input_for(self, variant: Variant, card: DatasetCard) -> InputSpec:
        """What this protocol feeds a variant on a dataset."""
        published = variant.input_for(card.published_as)
        return published if self.input == AS_PUBLISHED else published.at(*card.matched_sides)

    def text_per_image(self, card: MethodCard, variant: Variant) -> bool:
        """Whether the timed call runs the text tower again for each image."""
        published = card.text_per_image if variant.text_per_image is None else variant.text_per_image
        return self.text == AS_PUBLISHED and published


def named(
    name: str, card: DatasetCard, precision: str, threads: int, device: str, batch: int = 1
) -> Protocol:
    """One of the two named protocols, on a dataset.

    Raises:
        UsageError: unknown protocol or precision, or a batch of no images.
    """
    if batch < 1:
        raise UsageError(f"--batch {batch}: expected how many images go forward at a time, 1 or more")
    if name not in SUMMARIES:
        raise UsageError(unknown("protocol", name, SUMMARIES))
    matching = [each for each in PRECISIONS if each == precision]
    if not matching:
        raise UsageError(f"--precision {precision}: expected one of {', '.join(PRECISIONS)}")
    matched = name == "matched"
    sides = f"short side {card.matched_sides[0]}, longest {card.matched_sides[1]} pixels"
    return Protocol(
        name=name,
        input=sides if matched else AS_PUBLISHED,
        text="once a vocabulary" if matched else AS_PUBLISHED,
        background=card.background,
        precision=matching[0],
        threads=threads,
        device=device,
        batch=batch,
    )


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The fields in which two protocols, as records hold them, differ: "field: a / b"."""
    names = [field.name for field in fields(Protocol)]
    return [f"{n}: {first.get(n)} / {second.get(n)}" for n in names if first.get(n) != second.get(n)]
