"""Speed and cost of several subjects on the same sample images: latency side by side, then FLOPs and memory one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from benchbed.cost.flops import count_flops
from benchbed.cost.latency import LatencySamples, measure_latency, round_image
from benchbed.cost.memory import measure_peak
from benchbed.cost.outputs import TimedOutputs
from benchbed.cost.params import count_params
from benchbed.datasets.dataset import Dataset, Sample
from benchbed.failures import failure
from benchbed.inference import Inference
from benchbed.metrics import Counts
from benchbed.progress import Reporter
from benchbed.subject import Subject
from benchbed.timed_labels import label_warnings, timed_labels

SAMPLE_IMAGES: Final = 8
WARM_UP: Final = 1
LEAST_ROUNDS: Final = 4  # two images in both orders, however slow the machine
MOST_ROUNDS: Final = 40
SECONDS_A_SUBJECT: Final = (
    12.0  # after which no further round begins; keeps the embedded default near a minute
)


@dataclass
class Cost:
    """What was measured of one subject, ready for a record; `failures` names what could not be, `warnings` what is doubtful."""

    values: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def sample_images(dataset: Dataset, indices: Sequence[int]) -> list[Sample]:
    """Up to 8 samples, evenly spaced over those in use, decoded."""
    places = np.linspace(0, len(indices) - 1, min(SAMPLE_IMAGES, len(indices))).round().astype(int)
    return [dataset.sample(indices[place]) for place in np.unique(places)]


def measure_latencies(
    subjects: Sequence[Subject],
    samples: list[Sample],
    run_id: str,
    reporter: Reporter,
    logs: Path,
    counts: Sequence[Counts] = (),
) -> list[Cost]:
    """Latency of all subjects of one dataset, interleaved; one that fails is dropped and the rest is timed anew.

    Args:
        subjects: bound to the same dataset.
        samples: what they are timed on.
        run_id: marks samples that were taken interleaved, the only ones whose ratio means anything.
        logs: where tracebacks go.
        counts: of the accuracy pass, one a subject: what timed label maps are held against; empty where there are none.
    """
    costs = [Cost() for _ in subjects]
    broken: dict[int, Exception] = {}
    outputs = [TimedOutputs() for _ in subjects]
    while len(broken) < len(subjects):
        timed = {str(index): subject for index, subject in enumerate(subjects) if index not in broken}
        found = _interleaved(timed, samples, broken, outputs, reporter)
        if found is not None:
            for index, each in found.items():
                costs[int(index)].values["latency"] = _latency_values(each, run_id, samples, len(timed))
            break
    for place, (cost, known) in enumerate(zip(costs, counts, strict=False)):
        if "latency" in cost.values:
            same = timed_labels(subjects[place], samples, outputs[place], known)
            cost.values["latency"]["outputs"] = same
            cost.warnings += label_warnings(subjects[place].item.chosen.label, same)
    for place, error in broken.items():
        costs[place].failures.append(f"latency: {failure(subjects[place].item.name, error, logs).message}")
    return costs


def _interleaved(
    timed: dict[str, Subject],
    samples: list[Sample],
    broken: dict[int, Exception],
    outputs: list[TimedOutputs],
    reporter: Reporter,
) -> dict[str, LatencySamples] | None:
    first = next(iter(timed.values()))
    name = f"{first.item.dataset.card.name}: latency of {len(timed)}, interleaved"
    at_most_s = SECONDS_A_SUBJECT * len(timed)
    returned: dict[int, Tensor] = {}
    with reporter.task(name, MOST_ROUNDS, at_most_s=at_most_s) as tick:

        def finished(rounds: int) -> None:
            for index, labels in returned.items():
                outputs[index].add(round_image(rounds - 1) % len(samples), [labels])
            tick(rounds)

        try:
            return measure_latency(
                {
                    index: _caller(int(index), subject.inference, samples, broken, returned)
                    for index, subject in timed.items()
                },
                rounds=MOST_ROUNDS,
                warmup=WARM_UP,
                device=first.inference.device,
                on_progress=finished,
                deadline_s=at_most_s,
                least_rounds=LEAST_ROUNDS,
            )
        except Exception:
            if not broken.keys() & {int(index) for index in timed}:
                raise
            return None


def _caller(
    index: int,
    inference: Inference,
    samples: list[Sample],
    broken: dict[int, Exception],
    returned: dict[int, Tensor],
) -> Callable[[int], object]:
    def call(image: int) -> object:
        try:
            returned[index] = inference.labels(samples[image % len(samples)].image)
            return returned[index]
        except Exception as error:
            broken[index] = error
            raise

    return call


def _latency_values(
    found: LatencySamples, run_id: str, samples: list[Sample], subjects: int
) -> dict[str, Any]:
    used = [index % len(samples) for index in found.image_index]
    return {
        "total_ms": found.total_ms,
        "stage_ms": found.stage_ms,
        "image_index": used,
        "images": [{"id": s.id, "size": list(s.image.shape[:2])} for s in samples[: max(used) + 1]],
        "unit": "ms",
        "run_id": run_id,
        "interleaved_with": subjects - 1,
    }


def measure_rest(subject: Subject, sample: Sample, cost: Cost, reporter: Reporter, logs: Path) -> None:
    """Parameters, FLOPs, memory and text of one subject, into `cost`; a part that fails leaves the others alone."""
    for part, measure in _parts(subject, sample).items():
        reporter.note(f"{subject.item.name}: {part}")
        try:
            cost.values[part] = measure()
        except Exception as error:
            cost.failures.append(f"{part}: {failure(subject.item.name, error, logs).message}")


def _parts(subject: Subject, sample: Sample) -> dict[str, Callable[[], dict[str, Any]]]:
    inference, device, image = subject.inference, subject.inference.device, sample.image
    on = {"image": sample.id, "input_size": list(inference.batch(image).geometry[0].padded)}
    return {
        "params": lambda: asdict(count_params(subject.segmenter)),
        "flops": lambda: {
            **asdict(
                count_flops(subject.segmenter, inference.batch(image), subject.vocabulary, inference.text())
            ),
            **on,
        },
        "memory": lambda: {
            **asdict(measure_peak(lambda: inference.labels(image), subject.segmenter, device)),
            **on,
        },
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
