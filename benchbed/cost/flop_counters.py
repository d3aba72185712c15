"""Two independent counters of one call: fvcore with our handlers, and torch's FlopCounterMode with a ledger of stages.

They work on different levels (fvcore on the traced graph of whole layers, torch on the kernels that run) and use
different formulas (ours, torch's own), so an operator that one forgets shows as a difference. 1 multiply-add = 2 FLOPs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchbed.cost.fvcore_handlers import HANDLERS, Handler, constant, shape
from benchbed.cost.heavy_operators import HeavySpy, is_heavy, refuse_uncounted
from benchbed.cost.mac_formulas import matmul_macs
from benchbed.cost.stage_marks import StageMarks
from benchbed.cost.traceable import Traceable, hooks_restored
from benchbed.errors import BenchError, MeasurementError

Call = Callable[[], object]
Formula = Callable[..., int]

aten: Final = torch.ops.aten


def _product(first: int) -> Formula:
    return lambda *shapes, **_: 2 * matmul_macs(shapes[first], shapes[first + 1])


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


# Kernels that torch's counter gives no formula, at least before torch 2.15.
_TORCH_FORMULAS: Final[dict[Any, Formula]] = {
    aten.mv: _product(0),
    aten.addmv: _product(1),
    aten.dot: _product(0),
    aten.vdot: _product(0),
    aten.addbmm: _product(1),
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
}
_ADDED_HANDLERS: Final[dict[str, Handler]] = {}


def add_formula(operator: Any, flops: Formula) -> None:
    """Teach both counters an operator of somebody else's.

    Args:
        operator: e.g. `torch.ops.mylib.my_attention`.
        flops: called as the operator is, with the shape of each tensor in its place; gives FLOPs (2 a multiply-add).
    """
    _TORCH_FORMULAS[operator] = lambda *args, out_shape=None, **kwargs: flops(*args, **kwargs)
    _ADDED_HANDLERS[str(operator).replace(".", "::")] = lambda inputs, _: flops(*map(_argument, inputs)) // 2


def _argument(value: Any) -> Any:
    return shape(value) if value.type().kind() == "TensorType" else constant(value)


@contextmanager
def fused_paths_off() -> Iterator[None]:
    """`nn.MultiheadAttention` and encoder layers in plain operators, which can be counted; the setting comes back after."""
    was_on = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_on)


@dataclass(frozen=True)
class TorchCount:
    """What torch's counter saw: `total` FLOPs, `per_stage` with `unaccounted`, summing to it, and the call's result."""

    total: int
    per_stage: dict[str, int]
    result: object


def count_with_torch(call: Call) -> TorchCount:
    """FLOPs of a call by torch's counter, by stage.

    Raises:
        MeasurementError: a heavy operator ran that has no formula.
    """
    with _quiet():
        counter: Any = FlopCounterMode(display=False, custom_mapping=_TORCH_FORMULAS)
        counter.mod_tracker = _NoModules()
        spy = HeavySpy(counter.flop_registry)
        marks = StageMarks(counter.get_total_flops)
        with torch.no_grad(), fused_paths_off(), spy, counter, marks.running():
            result = call()
    refuse_uncounted("torch's counter", spy.uncounted)
    ledger = marks.ledger(lambda begin, end: end - begin)
    return TorchCount(counter.get_total_flops(), {name: int(flops) for name, flops in ledger.items()}, result)


class _NoModules:
    """In the place of torch's tracker of modules, whose hooks fail on a parameter given to a module under no_grad."""

    parents: Final = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def count_with_fvcore(call: Call, module: nn.Module | None = None) -> int:
    """FLOPs of a call by fvcore, on a trace that keeps results nobody uses (they were computed all the same).

    Args:
        call: runs once, really.
        module: whose parameters the call reads.

    Raises:
        MeasurementError: the call cannot be traced, or holds a heavy operator without a formula.
    """
    analysis_class = _fvcore_analysis()
    handlers = {**HANDLERS, **_ADDED_HANDLERS}
    traceable = Traceable(call, module, keeps=lambda kind: kind in handlers or is_heavy(kind))
    with _quiet(), torch.no_grad(), fused_paths_off(), hooks_restored(traceable):
        analysis = analysis_class(traceable, (torch.zeros(()),)).clear_op_handles().set_op_handle(**handlers)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        try:
            macs = int(analysis.total())
        except BenchError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines() or ["no reason given"]
            raise MeasurementError(
                f"FLOPs: fvcore cannot trace this forward pass: {type(error).__name__}: {reason[0][:200]}; "
                "torch.jit.trace must be able to run it: no Python control flow on traced scripts, no tensor subclasses"
            ) from error
    refuse_uncounted("fvcore", analysis.unsupported_ops())
    return 2 * macs


def _fvcore_analysis() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import: torch.jit.script is deprecated
        from fvcore.nn import FlopCountAnalysis
    return FlopCountAnalysis


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of tracing (deprecation, traced constants), which have no say in a total."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
