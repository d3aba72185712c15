"""Group norm in half precision: torch's values and gradients, by way of contiguous planes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from methods.parts.group_norm import GroupNorm


def both_ways(norm: nn.GroupNorm, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What comes out, and the gradients of the planes and of the scales."""
    planes = planes.detach().requires_grad_()
    out = norm(planes)
    out.backward(torch.linspace(-1, 1, out.numel()).view_as(out).to(out.dtype))
    assert planes.grad is not None
    assert isinstance(norm.weight.grad, Tensor)
    return out.detach(), planes.grad, norm.weight.grad


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float32, 0.0)])
def test_it_is_torchs(dtype: torch.dtype, tolerance: float) -> None:
    ours = GroupNorm(4, 16)
    torch.manual_seed(0)
    nn.init.normal_(ours.weight)
    theirs = nn.GroupNorm(4, 16)
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    planes = torch.randn(2, 16, 9, 7).to(dtype).to(memory_format=torch.channels_last)
    for found, expected in zip(both_ways(ours, planes), both_ways(theirs, planes), strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(
            found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())
        )


def test_planes_are_made_contiguous_only_for_a_gradient_in_half_precision() -> None:
    norm = GroupNorm(4, 16)
    planes = torch.randn(2, 16, 9, 7).to(memory_format=torch.channels_last)
    half = planes.bfloat16()
    assert norm(half.requires_grad_()).is_contiguous()
    for kept in (planes.requires_grad_(), half.detach(), planes.detach()):
        assert norm(kept).is_contiguous(memory_format=torch.channels_last)
