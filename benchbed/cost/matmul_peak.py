"""How fast this machine multiplies matrices, measured: the yardstick that a method's FLOPs a second are held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from benchbed.cost.latency import measure_latency

if TYPE_CHECKING:
    import torch

# Sides of the square product, [CPU, CUDA]: large enough that caches are reused and a card is full, small enough for a second.
CPU_SIDE: Final = 1536
CUDA_SIDE: Final = 8192
ROUNDS: Final = 6
DEADLINE_S: Final = 6.0


@dataclass(frozen=True)
class MatmulPeak:
    """The best of several products of two square matrices.

    Attributes:
        flops_per_s: 2 * side^3 over the shortest sample.
        side: of the matrices.
        samples_ms: all of them.
    """

    flops_per_s: float
    side: int
    samples_ms: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def measure_matmul_peak(
    device: torch.device | str, precision: str = "fp32", side: int | None = None
) -> MatmulPeak:
    """Multiply, with the threads that torch is set to.

    Args:
        device: where.
        precision: `fp32`, `bf16` or `fp16`, of both factors.
        side: of the matrices; chosen by the device if not given.
    """
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    side = side or (CUDA_SIDE if str(device).startswith("cuda") else CPU_SIDE)
    a = torch.ones(side, side, dtype=dtype, device=device)
    b = torch.ones(side, side, dtype=dtype, device=device)
    out = torch.empty_like(a)
    samples = measure_latency(
        {"product": lambda _: torch.mm(a, b, out=out)}, ROUNDS, 1, device, deadline_s=DEADLINE_S
    )["product"].total_ms
    return MatmulPeak(2 * side**3 / (min(samples) / 1000), side, samples)


def better(before: MatmulPeak | None, after: MatmulPeak) -> MatmulPeak:
    """The higher of two, with the samples of both: a neighbour that came and went must not lower the yardstick."""
    if before is None:
        return after
    return MatmulPeak(
        max(before.flops_per_s, after.flops_per_s), after.side, [*before.samples_ms, *after.samples_ms]
    )
