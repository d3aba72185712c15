"""Point sampling against a loop over the four neighbours, and against grid_sample of real masks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from methods.parts.matcher import IGNORED
from methods.parts.points import counted_points, sample_logits, sample_masks, uncertain_points


def plain_bilinear(values: Tensor, x: float, y: float) -> float:
    """One sample of [h, w] at relative (x, y), zeros outside."""
    height, width = values.shape
    column, row = x * width - 0.5, y * height - 0.5
    total = 0.0
    for i in range(height):
        for j in range(width):
            total += max(0.0, 1 - abs(i - row)) * max(0.0, 1 - abs(j - column)) * values[i, j].item()
    return total


def scene(seed: int, ignored: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Label maps [2, 6, 9], images [3], points [3, 40, 2] with some on the border."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (2, 6, 9), generator=generator)
    labels[torch.rand(2, 6, 9, generator=generator) < ignored] = IGNORED
    points = torch.rand(3, 40, 2, generator=generator, dtype=torch.double)
    points[:, 0], points[:, 1] = 0.0, 0.999999
    return labels, torch.tensor([0, 1, 1]), points


@pytest.mark.parametrize("seed", range(3))
def test_logits_are_sampled_bilinearly(seed: int) -> None:
    _, _, points = scene(seed)
    logits = torch.randn(3, 2, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    found = sample_logits(logits, points)
    for n in range(3):
        for channel in range(2):
            for p, (x, y) in enumerate(points[n].tolist()):
                wanted = plain_bilinear(logits[n, channel], x, y)
                assert found[n, channel, p].item() == pytest.approx(wanted, abs=1e-9)


def test_gradient_of_sampling() -> None:
    logits = torch.randn(1, 2, 3, 4, dtype=torch.double, requires_grad=True)
    points = torch.rand(1, 5, 2, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: sample_logits(x, points), (logits,))


@pytest.mark.parametrize("seed", range(5))
def test_masks_are_sampled_as_though_they_were_built(seed: int) -> None:
    labels, images, points = scene(seed)
    classes = torch.tensor([[0, 2], [3, 1], [1, -1]])
    found = sample_masks(labels, images, points, classes)
    masks = (labels[images][:, None] == classes[:, :, None, None]).double()
    assert torch.allclose(found, sample_logits(masks, points), atol=1e-9)
    assert (found[2, 1] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_left_out_pixels_do_not_take_part_in_interpolation(seed: int) -> None:
    labels, images, points = scene(seed)
    classes = torch.arange(4).expand(3, -1)
    found = sample_masks(labels, images, points, classes, leave_out=True)
    counted = counted_points(labels, images, points)
    for n in range(3):
        label = labels[images[n]]
        for p, (x, y) in enumerate(points[n].tolist()):
            valid = plain_bilinear((label != IGNORED).double(), x, y)
            for name in range(4):
                share = plain_bilinear((label == name).double(), x, y)
                assert found[n, name, p].item() == pytest.approx(share / valid if valid else 0.0, abs=1e-9)
            assert counted[n, p].item() == (label[int(y * 6), int(x * 9)] != IGNORED)
    # Under a pixel that counts lies some class wholly: its shares add up.
    assert torch.allclose(found.sum(1)[counted], torch.ones(()).double())


@pytest.mark.parametrize("width", [1, 3, 9, 640, 999, 1000])
def test_the_largest_coordinate_that_is_drawn_stays_inside(width: int) -> None:
    labels = torch.zeros(1, 1, width, dtype=torch.int64)
    below_one = torch.full((1, 1, 2), 1 - 2**-24)
    assert below_one.max() < 1
    assert counted_points(labels, torch.tensor([0]), below_one).all()
    assert not counted_points(labels, torch.tensor([0]), torch.ones(1, 1, 2)).any()


def test_uncertain_points_lie_on_the_edge() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(-10, 10, 32).expand(3, 32, 32)
    points = uncertain_points(ramp, 400, 3.0, 0.75)
    assert points.shape == (3, 400, 2)
    assert 0 <= points.min() <= points.max() < 1
    # Of 1200 candidates, the 300 nearest to the zero at x = 1/2 fill the middle quarter; the other 100 lie anywhere.
    # (Less than half a pixel from the border, sampling mixes in zeros, which look undecided.)
    distance = (points[..., 0] - 0.5).abs()
    inner = (points[..., 1] - 0.5).abs() < 0.5 - 1 / 64
    assert (distance[:, :300][inner[:, :300]] < 0.16).all()
    assert (distance[:, 300:] > 0.25).float().mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("importance", "near"), [(0.0, 0.25), (0.5, 0.62), (1.0, 1.0)])
def test_importance_is_the_share_of_uncertain_points(importance: float, near: float) -> None:
    torch.manual_seed(1)
    ramp = torch.linspace(-10, 10, 64).expand(2, 8, 64)
    points = uncertain_points(ramp, 1000, 6.0, importance)
    assert points.shape == (2, 1000, 2)
    assert ((points[..., 0] - 0.5).abs() < 0.125).float().mean() == pytest.approx(near, abs=0.05)


def test_uncertain_points_avoid_ignored_pixels() -> None:
    torch.manual_seed(2)
    labels = torch.zeros(2, 16, 16, dtype=torch.int64)
    labels[1, :, 4:] = IGNORED
    undecided = torch.zeros(2, 16, 16)
    images = torch.tensor([1, 0])
    points = uncertain_points(undecided, 100, 5.0, 0.6, labels, images)
    assert counted_points(labels, images, points)[0, :60].all()
    assert not counted_points(labels, images, points)[0, 60:].all()
    blind = uncertain_points(undecided, 100, 5.0, 0.6)
    assert counted_points(labels, images, blind)[0].float().mean() < 0.5


def test_points_carry_no_gradient_and_follow_the_seed() -> None:
    logits = torch.randn(2, 8, 8, requires_grad=True)
    torch.manual_seed(3)
    first = uncertain_points(logits, 20, 3.0, 0.75)
    torch.manual_seed(3)
    assert torch.equal(first, uncertain_points(logits, 20, 3.0, 0.75))
    assert not first.requires_grad
    assert not torch.equal(first[0], first[1])


def test_samples_at_pixel_centres_are_the_pixels() -> None:
    labels, _, _ = scene(9)
    y, x = torch.meshgrid((torch.arange(6) + 0.5) / 6, (torch.arange(9) + 0.5) / 9, indexing="ij")
    points = torch.stack([x, y], -1).flatten(0, 1).expand(2, -1, -1)
    found = sample_masks(labels, torch.arange(2), points, torch.tensor([[1], [1]]))
    assert torch.allclose(found[:, 0], (labels == 1).float().flatten(1), atol=1e-5)
    whole = F.one_hot(labels.clamp(max=4), 5).permute(0, 3, 1, 2).float()
    assert torch.allclose(sample_logits(whole, points)[:, 1], found[:, 0], atol=1e-5)
