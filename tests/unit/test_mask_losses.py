"""Mask losses against loops over pixels in plain Python, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from methods.parts.mask_losses import (
    PixelLoss,
    bce,
    dice,
    focal,
    mean_over_pixels,
    pair_dice_costs,
    pair_pixel_costs,
)

SEEDS = range(5)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def plain_bce(x: float, t: float) -> float:
    return -t * math.log(sigmoid(x)) - (1 - t) * math.log(1 - sigmoid(x))


def plain_focal(x: float, t: float, alpha: float = 0.25, gamma: float = 2.0) -> float:
    """Of a binary target, by cases."""
    p = sigmoid(x)
    if t == 1:
        return float(-alpha * (1 - p) ** gamma * math.log(p))
    return float(-(1 - alpha) * p**gamma * math.log(1 - p))


def plain_dice(logits: list[float], targets: list[float]) -> float:
    shared = sum(sigmoid(x) * t for x, t in zip(logits, targets, strict=True))
    return 1 - (2 * shared + 1) / (sum(map(sigmoid, logits)) + sum(targets) + 1)


def draw(seed: int, *shape: int, binary: bool = True) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=torch.double)
    targets = torch.rand(shape, generator=generator, dtype=torch.double)
    return logits, (targets > 0.6).double() if binary else targets


@pytest.mark.parametrize("seed", SEEDS)
def test_bce_of_each_pixel(seed: int) -> None:
    logits, targets = draw(seed, 3, 11, binary=False)
    for x, t, found in zip(
        *(each.flatten().tolist() for each in (logits, targets, bce(logits, targets))), strict=True
    ):
        assert found == pytest.approx(plain_bce(x, t), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.7, 0.0), (0.5, 1.5)])
def test_focal_of_each_pixel(seed: int, alpha: float, gamma: float) -> None:
    logits, targets = draw(seed, 3, 11)
    losses = focal(logits, targets, alpha, gamma)
    for x, t, found in zip(*(each.flatten().tolist() for each in (logits, targets, losses)), strict=True):
        assert found == pytest.approx(plain_focal(x, t, alpha, gamma), rel=1e-9)


def test_focal_on_a_half_filled_pixel_is_equation_five() -> None:
    # p_t = p t + (1 - p)(1 - t) = 0.8 * 0.25 + 0.2 * 0.75 = 0.35; balance = 0.25 * 0.25 + 0.75 * 0.75 = 0.625
    x = math.log(4)
    entropy = -0.25 * math.log(0.8) - 0.75 * math.log(0.2)
    found = focal(torch.tensor([x], dtype=torch.double), torch.tensor([0.25], dtype=torch.double))
    assert float(found) == pytest.approx(0.625 * 0.65**2 * entropy, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_dice_of_each_mask(seed: int) -> None:
    logits, targets = draw(seed, 4, 13, binary=False)
    for found, row, target in zip(dice(logits, targets), logits.tolist(), targets.tolist(), strict=True):
        assert float(found) == pytest.approx(plain_dice(row, target), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_weight_zero_is_as_though_the_pixel_were_not_there(seed: int) -> None:
    logits, targets = draw(seed, 3, 12)
    kept = torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1], dtype=torch.bool)
    weights = kept.double().expand(3, -1)
    assert torch.allclose(dice(logits, targets, weights), dice(logits[:, kept], targets[:, kept]))
    losses = bce(logits, targets)
    assert torch.allclose(mean_over_pixels(losses, weights), losses[:, kept].mean(-1))
    assert torch.allclose(mean_over_pixels(losses), losses.mean(-1))


def test_no_pixel_at_all_gives_no_loss() -> None:
    logits, targets = draw(0, 2, 5)
    nothing = torch.zeros(2, 5, dtype=torch.double)
    assert mean_over_pixels(bce(logits, targets), nothing).tolist() == [0, 0]
    assert dice(logits, targets, nothing).tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["bce", "focal"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_pair_costs_are_the_losses_of_each_pair(kind: PixelLoss, weighted: bool, seed: int) -> None:
    logits, _ = draw(seed, 2, 4, 10)
    _, targets = draw(seed + 100, 2, 3, 10)
    weights = draw(seed + 200, 2, 10)[1] if weighted else None
    pixels = pair_pixel_costs(kind, logits, targets, weights, alpha=0.3, gamma=1.7)
    areas = pair_dice_costs(logits, targets, weights)
    assert pixels.shape == areas.shape == (2, 4, 3)
    for image in range(2):
        kept = [p for p in range(10) if weights is None or weights[image, p] == 1]
        for query in range(4):
            for target in range(3):
                row = [logits[image, query, p].item() for p in kept]
                mask = [targets[image, target, p].item() for p in kept]
                each = [
                    plain_bce(x, t) if kind == "bce" else plain_focal(x, t, 0.3, 1.7)
                    for x, t in zip(row, mask, strict=True)
                ]
                assert pixels[image, query, target].item() == pytest.approx(sum(each) / len(each))
                assert areas[image, query, target].item() == pytest.approx(plain_dice(row, mask))


def test_gradients() -> None:
    logits, targets = draw(3, 2, 6, binary=False)
    logits.requires_grad_()
    weights = torch.tensor([1, 0, 1, 1, 0, 1], dtype=torch.double).expand(2, -1)
    for loss in (
        lambda x: mean_over_pixels(bce(x, targets), weights),
        lambda x: mean_over_pixels(focal(x, targets), weights),
        lambda x: focal(x, targets, 0.4, 1.5),
        lambda x: dice(x, targets, weights),
    ):
        assert torch.autograd.gradcheck(loss, (logits,))


@pytest.mark.parametrize("value", [-300.0, 300.0])
def test_extreme_logits_stay_finite(value: float) -> None:
    logits = torch.full((1, 4), value, requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    losses = [bce(logits, targets).sum(), focal(logits, targets).sum(), dice(logits, targets).sum()]
    gradient = torch.autograd.grad(sum(losses[1:], losses[0]), logits)[0]
    costs = pair_pixel_costs("focal", logits[None].detach(), targets[None])
    assert all(torch.isfinite(each).all() for each in (*losses, gradient, costs))
