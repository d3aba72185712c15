"""Speed and cost of several subjects on the same sample images: latency side by side, then FLOPs and memory one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed.cost.flops import count_flops
from benchbed.cost.latency import LatencySamples, measure_latency
from benchbed.cost.memory import measure_peak
from benchbed.cost.params import count_params
from benchbed.datasets.dataset import Dataset
from benchbed.errors import BenchError
from benchbed.inference import Inference
from benchbed.progress import Reporter
from benchbed.subject import Subject

SAMPLE_IMAGES: Final = 8
WARM_UP: Final = 1
LEAST_ROUNDS: Final = 4  # two images in both orders, however slow the machine
MOST_ROUNDS: Final = 40
SECONDS_A_SUBJECT: Final = (
    12.0  # after which no further round begins; keeps the embedded default near a minute
)


@dataclass
class Cost:
    """What was measured of one subject, ready for a record; `failures` names what could not be."""

    values: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def sample_images(dataset: Dataset, images: int) -> list[NDArray[np.uint8]]:
    """Up to 8 images, evenly spaced over those in use, decoded."""
    chosen = np.unique(np.linspace(0, images - 1, min(SAMPLE_IMAGES, images)).round().astype(int))
    return [dataset.sample(int(index)).image for index in chosen]


def measure_costs(subjects: Sequence[Subject], run_id: str, reporter: Reporter) -> list[Cost]:
    """Costs of all subjects of one dataset; a failure of one part of one subject leaves the rest alone.

    Args:
        subjects: bound to the same dataset.
        run_id: marks samples that were taken interleaved, the only ones whose ratio means anything.
    """
    item = subjects[0].item
    images = sample_images(item.dataset, item.images)
    costs = [Cost() for _ in subjects]
    _latency(subjects, images, costs, run_id, reporter)
    for subject, cost in zip(subjects, costs, strict=True):
        for part, measure in _parts(subject, images[0]).items():
            reporter.note(f"{subject.item.name}: {part}")
            try:
                cost.values[part] = measure()
            except (BenchError, torch.OutOfMemoryError) as error:
                cost.failures.append(f"{part}: {error}")
    return costs


def _latency(
    subjects: Sequence[Subject],
    images: list[NDArray[np.uint8]],
    costs: list[Cost],
    run_id: str,
    reporter: Reporter,
) -> None:
    name = f"{subjects[0].item.dataset.card.name}: latency of {len(subjects)}, interleaved"
    device = subjects[0].inference.device
    at_most_s = SECONDS_A_SUBJECT * len(subjects)
    with reporter.task(name, MOST_ROUNDS, at_most_s=at_most_s) as tick:
        samples = measure_latency(
            {subject.item.chosen.label: _caller(subject.inference, images) for subject in subjects},
            rounds=MOST_ROUNDS,
            warmup=WARM_UP,
            device=device,
            on_progress=tick,
            deadline_s=at_most_s,
            least_rounds=LEAST_ROUNDS,
        )
    for subject, cost in zip(subjects, costs, strict=True):
        cost.values["latency"] = _latency_values(
            samples[subject.item.chosen.label], run_id, len(images), len(subjects)
        )


def _caller(inference: Inference, images: list[NDArray[np.uint8]]) -> Callable[[int], object]:
    return lambda index: inference.labels(images[index % len(images)])


def _latency_values(samples: LatencySamples, run_id: str, images: int, subjects: int) -> dict[str, Any]:
    return {
        "total_ms": samples.total_ms,
        "stage_ms": samples.stage_ms,
        "image_index": samples.image_index,
        "unit": "ms",
        "run_id": run_id,
        "sample_images": images,
        "interleaved_with": subjects - 1,
    }


def _parts(subject: Subject, image: NDArray[np.uint8]) -> dict[str, Callable[[], dict[str, Any]]]:
    inference, device = subject.inference, subject.inference.device
    return {
        "params": lambda: asdict(count_params(subject.segmenter)),
        "flops": lambda: asdict(
            count_flops(subject.segmenter, inference.batch(image), subject.vocabulary, inference.text())
        ),
        "memory": lambda: asdict(measure_peak(lambda: inference.labels(image), subject.segmenter, device)),
        "text": lambda: _text_cost(inference),
    }


def _text_cost(inference: Inference) -> dict[str, Any]:
    """Time of encoding the whole vocabulary, ms: paid once where text is cached."""

    def encode(_: int) -> object:
        with torch.inference_mode(), inference.autocast():
            return inference.segmenter.encode_vocabulary(inference.vocabulary)

    samples = measure_latency(
        {"text": encode}, rounds=3, warmup=0, device=inference.device, deadline_s=SECONDS_A_SUBJECT
    )
    return {"total_ms": samples["text"].total_ms, "unit": "ms", "classes": len(inference.vocabulary)}
