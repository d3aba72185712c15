"""The largest batch that fits: doubled until it does not, then bisected; every step is kept, failed ones too. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

MOST: Final = 1024  # images: beyond it throughput has long been flat
UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Step:
    """One batch that was tried.

    Attributes:
        batch: images.
        fits: whether it ran within the memory there is.
        peak_bytes: weights and highest activations; None where it ran out of memory before that was known.
        ms: of one call, memory being watched meanwhile; None where it did not run.
        why: why it does not fit; "" where it does.
        out_of_memory: it does not fit for want of memory, rather than of time.
    """

    batch: int
    fits: bool
    peak_bytes: int | None = None
    ms: float | None = None
    why: str = ""
    out_of_memory: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


Try = Callable[[int], Step]


@dataclass(frozen=True)
class Search:
    """All steps in order of trying, and what came out.

    Attributes:
        steps: tried batches.
        largest: the largest that fits; 0 where not even one image does.
        limit: why no larger one, one sentence.
    """

    steps: tuple[Step, ...]
    largest: int
    limit: str


def find_largest(attempt: Try, most: int = MOST) -> Search:
    """Double from 1 until a batch does not fit, then bisect, until neighbours are known or a step fails for want of time."""
    steps: list[Step] = []

    def fits(batch: int) -> bool:
        steps.append(attempt(batch))
        return steps[-1].fits

    low, high = 0, 1
    while low < most and fits(high):
        low, high = high, min(2 * high, most)
    while 0 < low < high - 1 and (steps[-1].fits or steps[-1].out_of_memory):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    failed = [step for step in steps if not step.fits]
    limit = failed[-1].why if failed else f"{most} images were tried at most"
    return Search(tuple(steps), low, limit)


def predicted_peak(steps: list[Step], batch: int, weights_bytes: int) -> int | None:
    """Peak bytes of a batch by the last two fitting steps' growth an image; by proportion of one; None without any."""
    known = sorted((s.batch, s.peak_bytes) for s in steps if s.fits and s.peak_bytes is not None)
    if not known:
        return None
    if len(known) == 1:
        (one, peak), *_ = known
        return weights_bytes + (peak - weights_bytes) * batch // one
    (fewer, low), (more, high) = known[-2:]
    return high + max(0, high - low) * (batch - more) // (more - fewer)


def parse_bytes(text: str) -> int | None:
    """Read "8GiB", "8G", "512MB" or "1000000"; None where it is none of that. All units are powers of 1024."""
    stripped = text.strip().lower().removesuffix("b").removesuffix("i")
    number = stripped.rstrip("kmgt")
    unit = stripped[len(number) :]
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        return None
    return int(value) if 0 < value < 2**60 else None
