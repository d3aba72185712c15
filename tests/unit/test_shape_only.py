"""Copies without values: what they can do, and that they say so where they cannot."""

from __future__ import annotations

import pytest
import torch
from small_segmenter import SmallSegmenter
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from benchbed.cost.shape_only import ValuesNeededError, shape_only, without_values


class Remembers(nn.Module):
    """Keeps a result as methods keep resized position tables, and has a tensor that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.register_buffer("mean", torch.full((4,), 2.0))
        self.kept: Tensor | None = None
        self.total = torch.zeros(4)

    def forward(self, x: Tensor) -> Tensor:
        self.kept = (x - self.mean) @ self.weight
        return self.kept

    def accumulate(self, x: Tensor) -> None:
        self.total += self(x).sum(0)

    def looks(self, x: Tensor) -> bool:
        return bool(self(x).sum() > 0)


def test_shapes_come_out_and_the_original_keeps_nothing_of_it() -> None:
    original = Remembers()
    copy = shape_only(original)
    result = without_values(lambda: copy(torch.zeros(3, 4)))
    assert isinstance(result, FakeTensor)
    assert result.shape == (3, 4)
    assert original.kept is None
    assert type(original.weight) is nn.Parameter
    assert copy.mean is original.mean


def test_real_inputs_stay_real_until_they_meet_a_parameter() -> None:
    copy = shape_only(Remembers())

    def call() -> int:
        ids = torch.tensor([3, 9, 2])
        copy(torch.zeros(int(ids.argmax()) + 1, 4))
        return int(ids.max())

    assert without_values(call) == 9


def test_looking_at_a_missing_value_raises() -> None:
    copy = shape_only(Remembers())
    with pytest.raises(Exception, match="_local_scalar_dense"):
        without_values(lambda: copy.looks(torch.zeros(3, 4)))


def test_a_lost_write_raises() -> None:
    copy = shape_only(Remembers())
    with pytest.raises(ValuesNeededError, match="aten::add_"):
        without_values(lambda: copy.accumulate(torch.zeros(3, 4)))


def test_tied_parameters_stay_tied() -> None:
    pair = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    pair[1].weight = pair[0].weight
    copy = shape_only(pair)
    assert copy[1].weight is copy[0].weight
    assert copy[1].bias is not copy[0].bias


def test_whole_segmenters_can_be_copied() -> None:
    segmenter = SmallSegmenter().eval()
    copy = shape_only(segmenter)
    assert type(copy) is SmallSegmenter
    assert not copy.training
    assert {n: p.shape for n, p in copy.named_parameters()} == {
        n: p.shape for n, p in segmenter.named_parameters()
    }
    assert [p.requires_grad for p in copy.parameters()] == [p.requires_grad for p in segmenter.parameters()]
