"""What fvcore is told to count: only the products of `mac_formulas`, and all of them.

fvcore by itself knows nothing of scaled_dot_product_attention and baddbmm (33 to 50 % of a CLIP: ecosystem.md, section
6), counts norms and interpolation, gets broadcast products wrong and allocates the operands of an einsum.
Handlers get the inputs and outputs of a node of torch's traced graph and give multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

from benchbed.cost.mac_formulas import (
    Shape,
    attention_macs,
    convolution_macs,
    einsum_macs,
    linear_macs,
    matmul_macs,
    tensordot_macs,
)

Values = Sequence[Any]  # torch._C.Value
Handler = Callable[[Values, Values], int]


def shape(value: Any) -> Shape:
    """The shape of a traced tensor."""
    sizes = value.type().sizes()
    if sizes is None:
        raise ValueError(f"the trace does not know the shape of {value.debugName()}")
    return list(sizes)


def constant(value: Any) -> Any:
    """A traced number, word or list of numbers as Python has it; None where the trace computes it."""
    if value.node().kind() == "prim::ListConstruct":
        return [each.toIValue() for each in value.node().inputs()]
    return value.toIValue()


def _products(first: int) -> Handler:
    """A matrix product of the inputs `first` and `first + 1` (before them stands what is added)."""
    return lambda inputs, _: matmul_macs(shape(inputs[first]), shape(inputs[first + 1]))


def _convolution(inputs: Values, outputs: Values) -> int:
    """aten::_convolution(input, weight, bias, stride, padding, dilation, transposed, ...)."""
    transposed = bool(inputs[6].toIValue())
    return convolution_macs(shape(inputs[0]), shape(inputs[1]), shape(outputs[0]), transposed)


def _convolution_mode(inputs: Values, outputs: Values) -> int:
    """aten::_convolution_mode: padding given as a word; never transposed."""
    return convolution_macs(shape(inputs[0]), shape(inputs[1]), shape(outputs[0]), transposed=False)


def _einsum(inputs: Values, _: Values) -> int:
    """aten::einsum(equation, tensors, path)."""
    return einsum_macs(inputs[0].toIValue(), [shape(each) for each in inputs[1].node().inputs()])


def _tensordot(inputs: Values, _: Values) -> int:
    """aten::tensordot(a, b, dims_a, dims_b)."""
    return tensordot_macs(shape(inputs[0]), shape(inputs[1]), constant(inputs[2]))


def _inner(inputs: Values, _: Values) -> int:
    """aten::inner(a, b) over the last dimensions."""
    a, b = shape(inputs[0]), shape(inputs[1])
    return tensordot_macs(a, b, [len(a) - 1]) if a and b else 0


HANDLERS: Final[dict[str, Handler]] = {
    "aten::_convolution": _convolution,
    "aten::_convolution_mode": _convolution_mode,
    "aten::addbmm": _products(1),
    "aten::addbmm_": _products(1),
    "aten::addmm": _products(1),
    "aten::addmm_": _products(1),
    "aten::addmv": _products(1),
    "aten::addmv_": _products(1),
    "aten::baddbmm": _products(1),
    "aten::baddbmm_": _products(1),
    "aten::bmm": _products(0),
    "aten::dot": lambda inputs, _: prod(shape(inputs[0])),
    "aten::einsum": _einsum,
    "aten::inner": _inner,
    "aten::linear": lambda inputs, _: linear_macs(shape(inputs[0]), shape(inputs[1])),
    "aten::matmul": _products(0),
    "aten::mm": _products(0),
    "aten::mv": _products(0),
    "aten::scaled_dot_product_attention": lambda inputs, _: attention_macs(
        *(shape(each) for each in inputs[:3])
    ),
    "aten::tensordot": _tensordot,
    "aten::vdot": lambda inputs, _: prod(shape(inputs[0])),
}
