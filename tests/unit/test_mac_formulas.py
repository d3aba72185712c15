"""The shape formulas against counting by brute force, and against torch's own counter."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from benchbed.cost.flop_counters import count_with_torch
from benchbed.cost.mac_formulas import (
    broadcast,
    convolution_macs,
    einsum_macs,
    matmul_macs,
    tensordot_macs,
    vit_macs,
)


@pytest.mark.parametrize("seed", range(8))
def test_matmul_counts_one_multiplication_for_each_term_of_each_output(seed: int) -> None:
    rng = random.Random(seed)
    m, k, n, b, c = (rng.randint(1, 6) for _ in range(5))
    for left, right in (
        ((m, k), (k, n)),
        ((b, c, m, k), (c, k, n)),
        ((1, c, m, k), (b, 1, k, n)),
        ((k,), (b, k, n)),
        ((b, m, k), (k,)),
        ((k,), (k,)),
    ):
        outputs = (torch.zeros(left) @ torch.zeros(right)).numel()
        assert matmul_macs(left, right) == outputs * k


@pytest.mark.parametrize("seed", range(5))
def test_broadcast_is_numpys(seed: int) -> None:
    rng = random.Random(seed)
    full = [rng.randint(1, 4) for _ in range(4)]
    a = [size if rng.random() < 0.5 else 1 for size in full][rng.randint(0, 3) :]
    b = [size if rng.random() < 0.5 else 1 for size in full]
    assert tuple(broadcast(a, b)) == np.broadcast_shapes(tuple(a), tuple(b))


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("qc,qhw->chw", [(4, 5), (4, 6, 7)], 4 * 5 * 6 * 7),
        ("bqc,bqhw->bchw", [(2, 4, 5), (2, 4, 6, 7)], 2 * 4 * 5 * 6 * 7),
        ("...qc,...qhw->...chw", [(2, 3, 4, 5), (2, 3, 4, 6, 7)], 2 * 3 * 4 * 5 * 6 * 7),
        ("bij,bjk", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        ("ij,ij->ij", [(3, 4), (3, 4)], 0),
        ("ij->i", [(3, 4)], 0),
        ("ij,jk,kl->il", [(3, 4), (4, 6), (6, 2)], 3 * 4 * 6 + 3 * 6 * 2),
        ("abc,bd->ad", [(3, 4, 5), (4, 6)], 3 * 4 * 6),
    ],
)
def test_einsum_by_hand_and_by_torch(equation: str, shapes: list[tuple[int, ...]], macs: int) -> None:
    assert einsum_macs(equation, shapes) == macs
    assert count_with_torch(lambda: torch.einsum(equation, *map(torch.zeros, shapes))).total == 2 * macs


def test_tensordot() -> None:
    assert tensordot_macs((3, 4, 5), (4, 5, 6), [1, 2]) == 3 * 4 * 5 * 6


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_counts_kernel_times_outputs(groups: int) -> None:
    layer = nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, groups=groups)
    image = torch.zeros(2, 4, 17, 19)
    outputs = layer(image)
    macs = outputs.numel() * (4 // groups) * 3 * 5
    assert convolution_macs(image.shape, layer.weight.shape, outputs.shape, transposed=False) == macs


def test_transposed_convolution_counts_kernel_times_inputs() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, stride=2)
    image = torch.zeros(2, 4, 7, 9)
    macs = image.numel() * 6 * 3 * 3
    assert convolution_macs(image.shape, layer.weight.shape, layer(image).shape, transposed=True) == macs


def test_vit_b16_by_hand() -> None:
    parts = (115_605_504, 4_183_031_808, 715_327_488, 1_394_343_936, 11_154_751_488, 393_216)
    assert vit_macs(image=224, patch=16, width=768, layers=12, embedding=512) == sum(parts)
    assert sum(parts) / 1e9 == pytest.approx(17.5635, abs=5e-5)
