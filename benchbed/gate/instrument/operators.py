"""How many operators a call dispatches, by stage and by name: exact, whatever the machine does meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .marks import StageMarks


class _Spy(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names[str(func.overloadpacket)] += 1
        return func(*args, **(kwargs or {}))


def count_operators(call: Callable[[], object]) -> dict[str, Any]:
    """`per_stage` and `per_operator`; both sum to the total."""
    spy = _Spy()
    marks = StageMarks(lambda: spy.names.total())
    with spy, marks.running():
        call()
    ledger = marks.ledger(lambda begin, end: end - begin)
    return {
        "per_stage": {name: int(count) for name, count in ledger.items() if count},
        "per_operator": dict(sorted(spy.names.items())),
    }
