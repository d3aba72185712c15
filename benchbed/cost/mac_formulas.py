"""Multiply-adds of the operators that count, from shapes alone. Free of torch.

Counted: convolutions, linear layers, matrix products and the two products of attention. Not counted, by anyone's
convention that papers follow: norms, activations, softmax, biases, other elementwise work, interpolation and sampling.
Attention under a mask is counted in full, because dense kernels compute what the mask then hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Shape = Sequence[int]


def matmul_macs(a: Shape, b: Shape) -> int:
    """`a @ b` with torch.matmul's broadcasting: [..., m, k] and [..., k, n]; vectors count as one row or column."""
    rows, inner = (1, a[0]) if len(a) == 1 else (a[-2], a[-1])
    columns = 1 if len(b) == 1 else b[-1]
    return prod(broadcast(a[:-2], b[:-2])) * rows * inner * columns


def broadcast(a: Shape, b: Shape) -> list[int]:
    """The shape that two shapes broadcast to."""
    longest = max(len(a), len(b))
    pairs = zip((1,) * (longest - len(a)) + tuple(a), (1,) * (longest - len(b)) + tuple(b), strict=True)
    return [y if x == 1 else x for x, y in pairs]


def linear_macs(inputs: Shape, weight: Shape) -> int:
    """[..., in] through a weight [out, in]."""
    return prod(inputs) * (weight[0] if len(weight) > 1 else 1)


def attention_macs(query: Shape, key: Shape, value: Shape) -> int:
    """q k^T and its product with v: [..., heads, L, D], [..., heads', S, D], [..., heads', S, Dv]."""
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def convolution_macs(inputs: Shape, weight: Shape, outputs: Shape, transposed: bool) -> int:
    """[B, C, *size] under a weight [O, C / groups, *kernel] (transposed: [C, O / groups, *kernel])."""
    return inputs[0] * prod(weight) * prod((inputs if transposed else outputs)[2:])


def tensordot_macs(a: Shape, b: Shape, contracted: Sequence[int]) -> int:
    """Contraction over the dimensions `contracted` of `a` with as many of `b`."""
    return prod(a) * prod(b) // max(1, prod(a[axis] for axis in contracted))


def einsum_macs(equation: str, shapes: Sequence[Shape]) -> int:
    """An einsum, its operands taken from left to right, two at a time.

    A pair that shares a summed index is a matrix product; a pair that shares none is elementwise and counts nothing,
    as does a sum over an index of one operand only.
    """
    terms, output = _expand(equation, shapes)
    total = 0
    (labels, sizes), *rest = [_sized(term, shape) for term, shape in zip(terms, shapes, strict=True)]
    for position, (right, right_sizes) in enumerate(rest):
        kept = set(output).union(*(set(term) for term, _ in rest[position + 1 :]))
        sizes = _merged(sizes, right_sizes)
        summed = (labels & right) - kept
        if summed:
            total += prod(sizes[label] for label in (labels & right) | ((labels | right) & kept))
        labels = (labels | right) & kept
    return total


def _expand(equation: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """Terms and output with an ellipsis spelt out in capital Greek letters, right-aligned as broadcasting wants."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [chr(0x391 + index) for index in range(16)]
    for index, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        if "..." in term:
            hidden = len(shape) - len(term) + 3
            terms[index] = term.replace("...", "".join(spare[16 - hidden :]))
    if not arrow:
        letters = "".join(terms)
        output = "..." + "".join(
            sorted(label for label in set(letters) - set(spare) if letters.count(label) == 1)
        )
    return terms, output.replace("...", "".join(spare))


def _sized(term: str, shape: Shape) -> tuple[set[str], dict[str, int]]:
    return set(term), dict(zip(term, shape, strict=True))


def _merged(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {label: max(left.get(label, 1), right.get(label, 1)) for label in left.keys() | right.keys()}


def vit_macs(image: int, patch: int, width: int, layers: int, embedding: int, mlp_ratio: int = 4) -> int:
    """A Vision Transformer with a class token and a projection of it, by hand (ecosystem.md, section 6).

    For CLIP's ViT-B/16 at 224 pixels: 17.5635 G.
    """
    patches = (image // patch) ** 2
    tokens = patches + 1
    projections = (3 + 1 + 2 * mlp_ratio) * tokens * width**2
    attention = 2 * tokens**2 * width
    return patches * 3 * patch**2 * width + layers * (projections + attention) + width * embedding
