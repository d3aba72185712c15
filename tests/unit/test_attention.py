"""Attention written out is the fused kernel's, forth and back."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchbed.attention import attend


def parts(dtype: torch.dtype, lesson: bool) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(2, 3, tokens, 8, generator=generator) for tokens in (5, 7, 7))
    return (
        query.to(dtype).requires_grad_(lesson),
        keys.to(dtype).requires_grad_(lesson),
        values.to(dtype).requires_grad_(lesson),
    )


@pytest.mark.parametrize("lesson", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_softmax_attention(dtype: torch.dtype, lesson: bool) -> None:
    mixed = attend(*parts(dtype, lesson))
    exact = F.scaled_dot_product_attention(*(each.double() for each in parts(dtype, False)))
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(mixed.detach().double(), exact, rtol=0, atol=tolerance)


def test_gradients_in_bfloat16_are_the_exact_ones_rounded() -> None:
    ours, exact = parts(torch.bfloat16, True), [each.double() for each in parts(torch.bfloat16, False)]
    for each in exact:
        each.requires_grad_(True)
    attend(*ours).float().square().sum().backward()
    F.scaled_dot_product_attention(*exact).square().sum().backward()
    for mine, true in zip(ours, exact, strict=True):
        assert mine.grad is not None
        assert true.grad is not None
        assert (mine.grad.double() - true.grad).norm() < 0.02 * true.grad.norm()


def test_only_lessons_in_bfloat16_are_written_out() -> None:
    for dtype, lesson, written_out in (
        (torch.float32, True, False),
        (torch.bfloat16, False, False),
        (torch.bfloat16, True, True),
    ):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as heard:
            attend(*parts(dtype, lesson))
        names = [event.key for event in heard.key_averages()]
        assert ("aten::scaled_dot_product_attention" not in names) == written_out, (dtype, lesson)
