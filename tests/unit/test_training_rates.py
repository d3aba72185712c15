"""Learning rates against closed forms, parameter groups against a hand count, seeds against each other."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from benchbed.errors import UsageError
from benchbed.training.optimisers import make_optimiser, tuned
from benchbed.training.recipe import Optimiser, ParameterGroup, Schedule
from benchbed.training.schedules import rate_factor
from benchbed.training.seeds import generators_kept, seed_of, sow


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_poly_is_that_of_torch(power: float) -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, total_iters=50, power=power)
    for iteration in range(50):
        assert rate_factor(Schedule("poly", power), iteration, 50) == pytest.approx(
            optimiser.param_groups[0]["lr"]
        )
        optimiser.step()
        schedule.step()


def test_cosine_is_that_of_torch() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40)
    for iteration in range(40):
        assert rate_factor(Schedule("cosine"), iteration, 40) == pytest.approx(
            optimiser.param_groups[0]["lr"], abs=1e-12
        )
        optimiser.step()
        schedule.step()


def test_warm_ups_multiply_the_falling_rate() -> None:
    linear = Schedule("poly", 0.9, warmup=10, warmup_factor=0.1)
    for i in range(10):
        assert rate_factor(linear, i, 100) == pytest.approx((0.1 + 0.9 * i / 10) * (1 - i / 100) ** 0.9)
    for i in range(10, 100):
        assert rate_factor(linear, i, 100) == (1 - i / 100) ** 0.9
    constant = Schedule("cosine", warmup=10, warmup_factor=0.005, warmup_kind="constant")
    found = [rate_factor(constant, i, 100) for i in (0, 9, 10)]
    assert found[:2] == [pytest.approx(0.005 * (1 + math.cos(math.pi * i / 100)) / 2) for i in (0, 9)]
    assert found[2] == pytest.approx((1 + math.cos(math.pi / 10)) / 2)
    assert [rate_factor(Schedule("constant"), i, 9) for i in (0, 8)] == [1.0, 1.0]


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="staircase"):
        rate_factor(Schedule("staircase"), 0, 10)  # type: ignore[arg-type]


class LayerNorm2d(nn.Module):
    """A norm of a method's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


class Model(nn.Module):
    """Every kind of parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), LayerNorm2d())
        self.decoder = nn.ModuleDict(
            {"norm": nn.LayerNorm(3), "lin": nn.Linear(3, 3), "queries": nn.Embedding(5, 3)}
        )
        self.pos_embed = nn.Parameter(torch.zeros(4))
        self.composition = nn.Parameter(torch.zeros(4))
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.tied = self.decoder["lin"]


GROUPS = (
    ParameterGroup("norm", decay=0.0),
    ParameterGroup("embedding", decay=0.0),
    ParameterGroup("backbone.", lr=0.1),
)


def test_rules_by_kind_and_by_name_multiply() -> None:
    found = {
        each.name: (each.lr, each.decay)
        for each in tuned(Model(), Optimiser("AdamW", 1.0, 1.0, groups=GROUPS))
    }
    assert found == {
        "pos_embed": (1, 0),
        "composition": (1, 1),
        "backbone.0.weight": (0.1, 1),
        "backbone.0.bias": (0.1, 1),
        "backbone.1.weight": (0.1, 0),
        "backbone.1.bias": (0.1, 0),
        "backbone.2.weight": (0.1, 0),
        "decoder.norm.weight": (1, 0),
        "decoder.norm.bias": (1, 0),
        "decoder.lin.weight": (1, 1),
        "decoder.lin.bias": (1, 1),
        "decoder.queries.weight": (1, 0),
    }


def test_a_name_holds_at_the_start_or_after_a_dot() -> None:
    rule = (ParameterGroup("lin", lr=0.5),)
    found = {each.name: each.lr for each in tuned(Model(), Optimiser("SGD", 1.0, groups=rule))}
    assert {name for name, lr in found.items() if lr == 0.5} == {"decoder.lin.weight", "decoder.lin.bias"}


@pytest.mark.parametrize(
    ("name", "kind"), [("AdamW", torch.optim.AdamW), ("Adam", torch.optim.Adam), ("SGD", torch.optim.SGD)]
)
def test_torch_gets_each_trained_parameter_once_in_groups(name: str, kind: type) -> None:
    model = Model()
    optimiser = make_optimiser(model, Optimiser(name, 0.2, 0.04, 0.8, GROUPS))  # type: ignore[arg-type]
    assert type(optimiser) is kind
    given = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    assert len(given) == len({id(parameter) for parameter in given})
    assert {id(parameter) for parameter in given} == {id(p) for p in model.parameters() if p.requires_grad}
    assert len(optimiser.param_groups) == 4
    for group in optimiser.param_groups:
        backbone = group["names"][0].startswith("backbone.")
        assert group["lr"] == group["base_lr"] == pytest.approx(0.02 if backbone else 0.2)
        assert group["weight_decay"] in (0.0, 0.04)
    if name == "SGD":
        assert optimiser.param_groups[0]["momentum"] == 0.8


def test_rules_and_stages_that_train_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'encoder\.' fits no parameter of Model"):
        tuned(Model(), Optimiser("SGD", 1.0, groups=(ParameterGroup("encoder.", lr=0.5),)))
    tuned(Model(), Optimiser("SGD", 1.0, groups=(ParameterGroup("frozen.", lr=0.5),)))
    with pytest.raises(UsageError, match="nothing to train"):
        tuned(Model().requires_grad_(False), Optimiser("SGD", 1.0))


def test_seeds_of_different_purposes_differ() -> None:
    purposes = [(0,), (0, 0), (0, 0, 0), *((1, n, r) for n in range(200) for r in range(2))]
    assert len({seed_of(seed, *purpose) for seed in range(3) for purpose in purposes}) == 3 * len(purposes)
    assert seed_of(5, 1, 2) == seed_of(5, 1, 2)
    assert 0 <= seed_of(0) < 2**63


def test_what_is_drawn_inside_leaves_generators_as_they_were() -> None:
    def draws() -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]

    sow(11)
    wanted = draws()
    sow(11)
    with generators_kept():
        draws()
        sow(12)
    assert draws() == wanted
