"""Counting one VOC-size image: at most a twentieth of mmsegmentation's time, and less than torchmetrics'.

All counters work on the same images in turn, and what is judged is the median of the ratios within rounds: a busy
neighbour slows a round's counters together, and the few rounds that it hits unevenly don't move a median. Each
counter gets what its own pipeline hands it: ours uint8 maps, the others int64 tensors (mmseg's PackSegInputs and
argmax). One torch thread; more would only make the others slower on maps of this size (performance.md, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import thread_time
from typing import Any

import numpy as np
import pytest
import torch
from label_maps import voc_size_pair

from benchbed.metrics import count_image, count_tensor

metrics = pytest.importorskip("mmseg.evaluation.metrics")
classification = pytest.importorskip("torchmetrics.classification")

NUM_CLASSES = 20
PAIRS = [voc_size_pair(seed) for seed in range(8)]
TENSORS = [tuple(torch.from_numpy(labels).long()[None] for labels in pair) for pair in PAIRS]
ROUNDS = 21

Counter = Callable[[int], Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def benchbed() -> Counter:
    return lambda image: count_image(*PAIRS[image], NUM_CLASSES)


def benchbed_tensor() -> Counter:
    return lambda image: count_tensor(*TENSORS[image], NUM_CLASSES)


def mmseg() -> Counter:
    metric = metrics.IoUMetric()
    metric.dataset_meta = {"classes": tuple(map(str, range(NUM_CLASSES)))}
    samples = [[{"pred_sem_seg": {"data": p}, "gt_sem_seg": {"data": t}}] for p, t in TENSORS]
    return lambda image: metric.process({}, samples[image])


def jaccard() -> Counter:
    metric = classification.MulticlassJaccardIndex(NUM_CLASSES, ignore_index=255, validate_args=False)
    return lambda image: metric.update(*TENSORS[image])


def confusion() -> Counter:
    metric = classification.MulticlassConfusionMatrix(NUM_CLASSES, ignore_index=255, validate_args=False)
    return lambda image: metric.update(*TENSORS[image])


def seconds(counter: Counter) -> float:
    """Processor time of one pass over all images, on this thread: a neighbour's turns do not count."""
    start = thread_time()
    for image in range(len(PAIRS)):
        counter(image)
    return thread_time() - start


def ratio(theirs: Counter, ours: Counter) -> float:
    """How many times longer `theirs` takes: the median over rounds, each measuring both, in alternating order."""
    seconds(theirs), seconds(ours)
    ratios = []
    for number in range(ROUNDS):
        if number % 2:
            mine, other = seconds(ours), seconds(theirs)
        else:
            other, mine = seconds(theirs), seconds(ours)
        ratios.append(other / mine)
    return float(np.median(ratios))


def test_a_twentieth_of_mmsegmentation() -> None:
    assert ratio(mmseg(), benchbed()) >= 20


@pytest.mark.parametrize("theirs", [jaccard, confusion], ids=["jaccard", "confusion"])
def test_less_than_torchmetrics(theirs: Callable[[], Counter]) -> None:
    assert ratio(theirs(), benchbed()) > 1


def test_the_maps_are_like_those_the_anchors_were_measured_on() -> None:
    """performance.md: 16 to 22 pixels a run, 5 % ignored; longer runs would flatter us."""
    joint = [truth.ravel().astype(int) * 256 + prediction.ravel() for prediction, truth in PAIRS]
    lengths = [labels.size / (1 + np.count_nonzero(np.diff(labels))) for labels in joint]
    assert 16 <= min(lengths) <= max(lengths) <= 22
    assert all(0.04 < (truth == 255).mean() < 0.06 for _, truth in PAIRS)


@pytest.mark.parametrize(
    "counter", [benchbed, benchbed_tensor, mmseg, jaccard, confusion], ids=lambda counter: counter.__name__
)
@pytest.mark.benchmark(group="count one VOC-size image, 20 classes")
def test_time(benchmark: Any, counter: Callable[[], Counter]) -> None:
    count = counter()
    benchmark.pedantic(lambda: [count(image) for image in range(len(PAIRS))], rounds=10, warmup_rounds=1)
    benchmark.extra_info["images"] = len(PAIRS)
