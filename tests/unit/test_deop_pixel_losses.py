"""DeOP's losses over pixels against plain loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from methods.deop.pixel_losses import PixelLosses


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ignored", ["no-object", "left-out"])
def test_pixel_losses_equal_plain_loops(seed: int, ignored: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    class_logits = 3 * torch.randn(1, 4, 3, generator=generator)
    mask_logits = 3 * torch.randn(1, 4, 3, 5, generator=generator)
    labels = torch.tensor([0, 1, 255])[torch.randint(3, (1, 3, 5), generator=generator)]
    focal, terms, shared, areas = 0.0, 0, 0.0, 0.0
    for y in range(3):
        for x in range(5):
            label = int(labels[0, y, x])
            if label == 255 and ignored == "left-out":
                continue
            for k in range(3):
                total_ = sum(
                    math.exp(class_logits[0, q, k])
                    / sum(math.exp(each) for each in class_logits[0, q])
                    / (1 + math.exp(-mask_logits[0, q, y, x]))
                    for q in range(4)
                )
                p = 1 / (1 + math.exp(-(3 * total_ - 3)))
                hit = k == (2 if label == 255 else label)
                sure = min(max(p, 1e-4), 1 - 1e-4)
                focal -= (
                    0.25 * (1 - sure) ** 2 * math.log(sure) if hit else 0.75 * sure**2 * math.log(1 - sure)
                )
                terms += 1
                if k < 2:
                    shared += p * hit
                    areas += p + hit
    found = PixelLosses(ignored=ignored)(class_logits, mask_logits, labels)
    assert float(found["loss_focal"]) == pytest.approx(2 * focal / terms, rel=1e-4)
    assert float(found["loss_dice"]) == pytest.approx(0.8 * (1 - (2 * shared + 1) / (areas + 1)), rel=1e-4)


def test_masks_meet_labels_at_the_labels_size_or_their_own() -> None:
    class_logits, mask_logits = torch.randn(2, 3, 4), torch.randn(2, 3, 4, 4)
    coarse = torch.randint(3, (2, 4, 4))
    fine = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)
    shrunk = PixelLosses(resolution="logits")(class_logits, mask_logits, fine)
    for name, value in PixelLosses()(class_logits, mask_logits, coarse).items():
        torch.testing.assert_close(shrunk[name], value)
    enlarged = nn.functional.interpolate(mask_logits, (16, 16), mode="bilinear")
    whole = PixelLosses()(class_logits, mask_logits, fine)
    for name, value in PixelLosses()(class_logits, enlarged, fine).items():
        torch.testing.assert_close(whole[name], value)


def test_left_out_pixels_move_nothing() -> None:
    """Unseen objects lie under 255: no mask may learn from them, wherever it goes there."""
    class_logits, labels = torch.randn(1, 3, 4), torch.full((1, 4, 4), 255)
    labels[:, :2] = torch.randint(3, (1, 2, 4))
    mask_logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    losses = PixelLosses(ignored="left-out")(class_logits, mask_logits, labels)
    torch.stack(list(losses.values())).sum().backward()
    assert mask_logits.grad is not None
    assert float(mask_logits.grad[:, :, 2:].abs().max()) == 0
    assert float(mask_logits.grad[:, :, :2].abs().min()) > 0
