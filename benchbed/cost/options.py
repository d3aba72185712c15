"""Ways to run the same weights: precision, torch.compile, channels-last. Each is measured beside the plain pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from benchbed.protocol import Precision

if TYPE_CHECKING:
    from benchbed.segmenter import Segmenter


RECOMPILES: Final = 512  # more layers than any tower has


@dataclass(frozen=True)
class Options:
    """How a forward pass is run.

    Attributes:
        precision: autocast's; weights stay float32.
        compile: through torch.compile with its default backend, dynamic shapes off.
        channels_last: convolutions' weights and the network's input in NHWC.
    """

    precision: Precision = "fp32"
    compile: bool = False
    channels_last: bool = False

    @property
    def plain(self) -> bool:
        """float32, as torch runs it by itself: what an accuracy pass does."""
        return self == PLAIN

    @property
    def words(self) -> str:
        """What differs from the plain pass, as tables show it: "bf16, compiled"; "" for nothing."""
        parts = (
            "" if self.precision == "fp32" else self.precision,
            "compiled" if self.compile else "",
            "channels-last" if self.channels_last else "",
        )
        return ", ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


PLAIN: Final = Options()


def combinations(precisions: Sequence[Precision], compiled: bool, channels_last: bool) -> list[Options]:
    """The plain pass first, then each precision without and with what else was asked for; no one twice."""
    asked = [Options(precision) for precision in precisions]
    if compiled or channels_last:
        asked += [Options(precision, compiled, channels_last) for precision in precisions]
    return list(dict.fromkeys([PLAIN, *asked]))


def allow_recompiling() -> None:
    """Let torch compile a function for every layer that calls it: beyond 8 it would silently run it uncompiled."""
    from torch._dynamo import config

    name = (
        "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    )  # the latter before torch 2.7
    for limit in (name, "accumulated_" + name):
        if hasattr(config, limit):
            setattr(config, limit, max(getattr(config, limit), RECOMPILES))


def apply(segmenter: Segmenter, options: Options) -> Segmenter:
    """Prepare a segmenter of its own for these options; precision is the caller's to set. Returns it.

    Compiling happens at the first call, frame by frame: `segment` itself stays Python, because its stage marks read clocks.
    """
    if options.channels_last:
        import torch

        segmenter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if options.compile:
        import torch

        allow_recompiling()
        # A method is a plain function on the instance then; the class stays as it is.
        segmenter.segment = torch.compile(segmenter.segment, dynamic=False)  # type: ignore[method-assign]
    return segmenter
