"""A segmenter without numbers: its parameters have shapes and no values, so a forward pass takes milliseconds.

Good for whatever depends on shapes alone: FLOPs of a text tower over 2,000 prompts (a minute of real work), or which
parameters are read. Real inputs stay real, so Python may look at token ids; it may not look at what parameters made.
Then torch raises, and the caller measures with values instead.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Module = TypeVar("Module", bound=nn.Module)
Result = TypeVar("Result")


class ValuesNeededError(RuntimeError):
    """A forward pass wrote numbers that do not exist into a tensor that does: what reads it later would go wrong."""


def shape_only(module: Module) -> Module:
    """A copy whose parameters have no values; the original, its caches included, is not touched by running the copy.

    Buffers are shared with the original.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    memo: dict[int, Any] = {id(buffer): buffer for buffer in module.buffers()}
    for parameter in module.parameters():
        fake = mode.from_tensor(parameter.detach())
        memo[id(parameter)] = nn.Parameter(fake, requires_grad=parameter.requires_grad)
    return copy.deepcopy(module, memo)


def without_values(call: Callable[[], Result]) -> Result:
    """Run a call on a `shape_only` module.

    Raises:
        ValuesNeededError: it mixes numbers and no numbers in a way that shapes cannot follow.
        RuntimeError: it looks at a value that does not exist (torch's own errors).
    """
    with _silent_failures(), torch.no_grad(), _NoLostWrites():
        return call()


@contextmanager
def _silent_failures() -> Iterator[None]:
    """torch logs a traceback where shapes cannot be worked out; it is raised as well, and handled."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class _NoLostWrites(TorchDispatchMode):
    """A write of valueless numbers into a real tensor would silently do nothing."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable and any(
            isinstance(each, FakeTensor) for each in tree_leaves((args, kwargs))
        ):
            for argument, value in zip(func._schema.arguments, args, strict=False):
                written = argument.alias_info is not None and argument.alias_info.is_write
                if written and isinstance(value, Tensor) and not isinstance(value, FakeTensor):
                    raise ValuesNeededError(
                        f"{func._schema.name} writes into {argument.name}, which has values"
                    )
        return func(*args, **kwargs)
