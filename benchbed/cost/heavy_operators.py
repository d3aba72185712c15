"""Operators whose work must not go uncounted: a counter that meets one without a formula says so instead of saying 0."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from torch.utils._python_dispatch import TorchDispatchMode

from benchbed.errors import MeasurementError

# torch's own namespaces, in which a name tells what an operator does; any other namespace may hold anything.
PLAIN_NAMESPACES: Final = {"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional"}
# Selection and interpolation, not products.
LIGHT_OPERATORS: Final = {
    "torchvision::nms",
    "torchvision::roi_align",
    "torchvision::roi_pool",
    "torchvision::ps_roi_align",
    "torchvision::ps_roi_pool",
}
_HEAVY: Final = re.compile(
    r"attention|attn|transformer|conv(?!ert)|matmul|gemm|einsum|lstm|gru|rnn|fft|cdist|euclidean_dist|trilinear"
    r"|(^|_)(add|badd|addb)?b?mm(_|$)|(^|_)(add)?mv(_|$)|(^|_)v?dot(_|$)|(^|_)linear(_|$)|(^|_)bilinear$|tensordot"
)
_INTERPOLATION: Final = re.compile(r"upsample|interpolate|grid_sampl")


def is_heavy(operator: str) -> bool:
    """Whether an operator ("namespace::name") may do products, by its name, or by being from a library unknown here."""
    namespace, _, name = operator.partition("::")
    if namespace not in PLAIN_NAMESPACES:
        return operator not in LIGHT_OPERATORS
    return bool(_HEAVY.search(name)) and not _INTERPOLATION.search(name)


class HeavySpy(TorchDispatchMode):
    """Notes heavy operators that no formula covers.

    Args:
        counted: the operators (torch's overload packets) that have a formula.
    """

    def __init__(self, counted: Container[Any]) -> None:
        super().__init__()
        self._counted = counted
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func._schema.name
        if func._overloadpacket not in self._counted and is_heavy(name):
            self.uncounted[name] += 1
        return func(*args, **(kwargs or {}))


def refuse_uncounted(counter: str, operators: Iterable[str]) -> None:
    """Raise if any operator is heavy.

    Raises:
        MeasurementError: naming the counter and every such operator.
    """
    heavy = sorted({operator for operator in operators if is_heavy(operator)})
    if heavy:
        raise MeasurementError(
            f"FLOPs: {counter} has no formula for {', '.join(heavy)}, so a total without it would be too low; "
            "write the forward pass with operators that are counted, or give the operator a formula with "
            "benchbed.cost.flop_counters.add_formula"
        )
