"""Products that an autocast leaves in float32, on devices that have one and on the one that has none."""

from __future__ import annotations

import pytest
import torch

from methods.parts.full_precision import full_precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_an_autocast_around_it_rounds_nothing(dtype: torch.dtype) -> None:
    one, other = torch.randn(2, 8, 8)
    with torch.autocast("cpu", dtype=dtype):
        assert (one @ other).dtype == dtype
        with full_precision(one):
            inside = one @ other
        assert (one @ other).dtype == dtype, "the autocast around it has ended"
    assert torch.equal(inside, one @ other)


def test_shapes_alone_know_no_autocast() -> None:
    shapes = torch.empty(3, 4, device="meta")
    with full_precision(shapes):
        assert (shapes @ shapes.T).shape == (3, 3)
