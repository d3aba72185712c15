"""From a recipe's optimiser to torch's: which parameter is trained at which rate and decay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from benchbed.errors import UsageError
from benchbed.training.recipe import Optimiser, ParameterGroup

KINDS: Final = ("norm", "embedding")
_NORMS: Final = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)
# Methods' own, such as LayerNorm2d; a convolution named for the norm that follows it is none.
_NORM_CLASS: Final = re.compile(r"Norm(\dd)?$")
_POSITION: Final = re.compile(r"(^|_)pos(ition|itional)?(s|_|$)")


@dataclass(frozen=True)
class Tuned:
    """One trained parameter and what its group rules made of it.

    Attributes:
        name: in the segmenter.
        kinds: of "norm" and "embedding", those it is.
        lr: factor on the learning rate.
        decay: factor on the weight decay.
    """

    name: str
    parameter: nn.Parameter
    kinds: frozenset[str]
    lr: float
    decay: float


def tuned(model: nn.Module, optimiser: Optimiser) -> list[Tuned]:
    """Every parameter that is trained, in the model's order, with its factors.

    Raises:
        UsageError: nothing is trained, or a rule names parts that the model does not have.
    """
    everything = list(_parameters(model))
    for group in optimiser.groups:
        if group.match not in KINDS and not any(fits(group, name, kinds) for name, _, kinds in everything):
            raise UsageError(
                f"the recipe's parameter group {group.match!r} fits no parameter of {type(model).__name__}; "
                "correct the recipe"
            )
    found = [
        Tuned(name, parameter, kinds, *_factors(optimiser.groups, name, kinds))
        for name, parameter, kinds in everything
        if parameter.requires_grad
    ]
    if not found:
        raise UsageError(f"{type(model).__name__} has nothing to train in this stage: all is frozen")
    return found


def fits(group: ParameterGroup, name: str, kinds: frozenset[str]) -> bool:
    """Whether a rule holds for a parameter."""
    if group.match in KINDS:
        return group.match in kinds
    return name.startswith(group.match) or f".{group.match}" in name


def make_optimiser(model: nn.Module, optimiser: Optimiser) -> torch.optim.Optimizer:
    """torch's optimiser over the trained parameters; each of its groups also holds `base_lr` and its parameters' `names`.

    Parameters of the same rate and decay share a group; the order is the model's, so that it is the same in every process.

    Raises:
        UsageError: see `tuned`.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for each in tuned(model, optimiser):
        lr, decay = optimiser.lr * each.lr, optimiser.weight_decay * each.decay
        group = groups.setdefault(
            (lr, decay), {"params": [], "names": [], "lr": lr, "base_lr": lr, "weight_decay": decay}
        )
        group["params"].append(each.parameter)
        group["names"].append(each.name)
    return _made(optimiser, list(groups.values()))


def _made(optimiser: Optimiser, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if optimiser.name == "SGD":
        return torch.optim.SGD(groups, lr=optimiser.lr, momentum=optimiser.momentum)
    if optimiser.name == "AdamW":
        return torch.optim.AdamW(groups, lr=optimiser.lr)
    if optimiser.name == "Adam":
        return torch.optim.Adam(groups, lr=optimiser.lr)
    raise ValueError(f"optimiser {optimiser.name!r}: expected 'AdamW', 'Adam' or 'SGD'")


def _factors(groups: tuple[ParameterGroup, ...], name: str, kinds: frozenset[str]) -> tuple[float, float]:
    lr = decay = 1.0
    for group in groups:
        if fits(group, name, kinds):
            lr, decay = lr * group.lr, decay * group.decay
    return lr, decay


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, frozenset[str]]]:
    """Each parameter once, under its first name."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield f"{prefix}.{own}" if prefix else own, parameter, _kinds(module, own)


def _kinds(module: nn.Module, own: str) -> frozenset[str]:
    convolution = isinstance(module, nn.modules.conv._ConvNd)
    named = not convolution and bool(_NORM_CLASS.search(type(module).__name__))
    norm = isinstance(module, _NORMS) or named
    table = isinstance(module, nn.Embedding) or bool(_POSITION.search(own))
    return frozenset(kind for kind, holds in zip(KINDS, (norm, table), strict=True) if holds)
