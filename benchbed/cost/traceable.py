"""Any call as a module that torch.jit can trace whole: plain integers for sizes, and no result thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_SIZES: Final = (Tensor.shape.__get__, Tensor.size, Tensor.numel, Tensor.nelement, Tensor.__len__)  # type: ignore[attr-defined]


class IntegerSizes(TorchFunctionMode):
    """While tracing, sizes are tensors, on which code such as `isinstance(size, int)` breaks; here they stay integers."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        return _plain(result) if func in _SIZES else result


def _plain(size: Any) -> Any:
    return torch.Size([int(each) for each in size]) if isinstance(size, tuple) else int(size)


class Traceable(nn.Module):
    """Runs a call under torch.jit's tracer.

    torch drops from a traced graph what no output needs, although it was computed; here every node that counts is
    made an output of the graph, so that it stays.

    Args:
        call: what to trace.
        module: whose parameters are the graph's inputs (parameters cannot be constants of a trace).
        keeps: says of a node's kind ("aten::linear") whether the node must stay.
    """

    def __init__(
        self, call: Callable[[], object], module: nn.Module | None, keeps: Callable[[str], bool]
    ) -> None:
        super().__init__()
        self.traced = module
        self._call = call
        self._keeps = keeps

    def forward(self, anchor: Tensor) -> Tensor:
        """`anchor` is any tensor: a trace needs an input and an output."""
        with IntegerSizes():
            self._call()
        graph = torch._C._get_tracing_state().graph()
        for node in _every_node(graph):
            if self._keeps(node.kind()):
                for value in node.outputs():
                    graph.registerOutput(value)
        return anchor + 0


def _every_node(block: Any) -> Iterator[Any]:
    """The nodes of a graph or block; each module's forward is a block of its own until the trace is finished."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _every_node(inner)


@contextmanager
def hooks_restored(module: nn.Module) -> Iterator[None]:
    """Take away the forward hooks that are added during this block; fvcore leaves its own behind when a trace fails.

    A left hook would switch torch's fused attention off for good, and so change every time measured later.
    """
    tables = [table for each in module.modules() for table in (each._forward_pre_hooks, each._forward_hooks)]
    before = [set(table) for table in tables]
    try:
        yield
    finally:
        for table, known in zip(tables, before, strict=True):
            for added in set(table) - known:
                del table[added]
