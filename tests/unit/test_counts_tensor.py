"""The device's counts are the host's counts, refuse the same, and do not make the host wait."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from label_maps import pair_with_gaps

from benchbed.errors import DataError, ScoresError
from benchbed.metrics import Counts, collect, count_image, count_tensor

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_it_counts_what_the_host_counts(device: str, dtype: torch.dtype) -> None:
    pairs = [pair_with_gaps(seed) for seed in range(4)]
    rows = [
        count_tensor(torch.from_numpy(p).to(device, dtype), torch.from_numpy(t), 12, image_id=str(i))
        for i, (p, t) in enumerate(pairs)
    ]
    assert all(row.packed.device.type == device for row in rows)
    expected = [count_image(p, t, 12, image_id=str(i)) for i, (p, t) in enumerate(pairs)]
    assert Counts.from_images(collect(rows)) == Counts.from_images(expected)


@pytest.mark.parametrize("device", DEVICES)
def test_a_large_vocabulary(device: str) -> None:
    prediction, truth = np.random.default_rng(0).integers(847, size=(2, 60, 70))
    truth[::5] = 65535
    counted = count_tensor(torch.from_numpy(prediction).to(device), torch.from_numpy(truth), 847, 65535, "a")
    expected = count_image(prediction, truth, 847, 65535, "a")
    assert Counts.from_images(collect([counted])) == Counts.from_images([expected])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_counting_does_not_wait_for_the_device() -> None:
    prediction, truth = (torch.from_numpy(labels).cuda() for labels in pair_with_gaps(0))
    collect([count_tensor(prediction, truth, 12)])
    torch.cuda.set_sync_debug_mode("error")
    try:
        row = count_tensor(prediction, truth, 12)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert collect([row])[0].labelled.sum() == (truth != 255).sum().item()


def test_nothing_to_collect() -> None:
    assert collect([]) == []


def test_a_prediction_outside_is_told_when_it_is_collected() -> None:
    labels = torch.tensor([[0, 3, 2, 1]])
    row = count_tensor(labels, torch.tensor([[0, 255, 0, 0]]), 2, image_id="im")
    with pytest.raises(
        ScoresError, match=r"im: the prediction holds .* on 2 pixels, the smallest being label 2,"
    ):
        collect([row])


def test_a_ground_truth_outside_is_told_when_it_is_collected() -> None:
    row = count_tensor(
        torch.zeros(1, 4, dtype=torch.int64), torch.tensor([[0, -7, 9, 255]]), 2, image_id="im"
    )
    with pytest.raises(
        DataError, match=r"im: the ground truth holds .* on 2 pixels, the smallest being label -7,"
    ):
        collect([row])


def test_what_is_refused_at_once() -> None:
    labels = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(ScoresError, match="2 x 3 but the ground truth 3 x 2"):
        count_tensor(labels, labels.T, 2)
    with pytest.raises(TypeError, match=r"prediction must be a map of integer labels, not of torch.float32"):
        count_tensor(labels.float(), labels, 2)
    with pytest.raises(TypeError, match=r"ground truth must be .* torch.bool"):
        count_tensor(labels, labels.bool(), 2)
    with pytest.raises(ValueError, match="ignore=255 is one of the 300 classes"):
        count_tensor(labels, labels, 300)
    with pytest.raises(ValueError, match="labels up to 255 cannot name 300 classes"):
        count_tensor(labels.to(torch.uint8), labels, 300, ignore=65535)
