"""What a plan item will cost, from one image through the real thing with random weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchbed.cost.latency import measure_latency
from benchbed.cost.params import count_params
from benchbed.cost_pass import MOST_ROUNDS, SECONDS_A_SUBJECT
from benchbed.plan import PlanItem
from benchbed.subject import make_subject


@dataclass(frozen=True)
class Forecast:
    """One row of a dry run.

    Attributes:
        item: `method/variant on dataset`.
        images: how many will be segmented, and of how many.
        input_size: network input of the first image, pixels, height x width.
        params: total, numbers.
        image_ms: one image, measured once after a warm-up.
        text_ms: encoding the vocabulary, measured once.
        expected_s: the whole item: text, every image, and its share of the timing rounds.
    """

    item: str
    dataset: str
    protocol: str
    fingerprint: str
    weights: str
    images: str
    input_size: str
    params: int
    image_ms: float
    text_ms: float
    expected_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def forecast(item: PlanItem, device: torch.device) -> Forecast:
    """Build the item with random weights, run one image twice, and extrapolate.

    Raises:
        DataError: the first image is bad.
    """
    subject = make_subject(item, device, random_weights=True)
    image = item.dataset.sample(0).image
    with torch.inference_mode():
        encode = {"text": lambda _: subject.segmenter.encode_vocabulary(subject.vocabulary)}
        text_ms = measure_latency(encode, rounds=1, warmup=0, device=device)["text"].total_ms[0]
    labels = {"image": lambda _: subject.inference.labels(image)}
    image_ms = measure_latency(labels, rounds=1, warmup=1, device=device)["image"].total_ms[0]
    size = subject.segmenter.input_spec.padded(*subject.segmenter.input_spec.resized(*image.shape[:2]))
    return Forecast(
        item=item.name,
        dataset=item.dataset.card.name,
        protocol=item.protocol.name,
        fingerprint=item.protocol.fingerprint,
        weights=item.weights.note or f"{item.weights.kind}: {item.weights.path}",
        images=item.dataset.coverage(item.images),
        input_size=f"{size[0]} x {size[1]}",
        params=count_params(subject.segmenter).total,
        image_ms=image_ms,
        text_ms=text_ms,
        expected_s=(4 * text_ms + item.images * image_ms) / 1000
        + min(SECONDS_A_SUBJECT, MOST_ROUNDS * image_ms / 1000),
    )
