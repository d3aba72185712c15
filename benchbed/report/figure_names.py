"""The figures that rows have: name, heading, unit, digits, which way is better, how its interval is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Better = Literal["higher", "lower", "neither"]
PERCENT: Final = "%"


@dataclass(frozen=True)
class FigureName:
    """How a figure is shown.

    Attributes:
        name: key in `Row.figures`.
        heading: of a column, unit left out.
        unit: "%", "ms", ...
        digits: after the decimal point; None for four significant ones.
        better: which way is better; `neither` is never ranked.
        speed: depends on the machine, so that only one machine's rows are ranked together.
        interval: how its interval is made, "" where it has none.
    """

    name: str
    heading: str
    unit: str
    digits: int | None
    better: Better
    speed: bool = False
    interval: str = ""


_BOOTSTRAP: Final = "95 % percentile bootstrap over images"
_MEDIAN: Final = "95 % percentile bootstrap of the median over interleaved rounds"

FIGURES: Final = {
    each.name: each
    for each in (
        FigureName("miou", "mIoU", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("seen_miou", "seen", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("unseen_miou", "unseen", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("hiou", "hIoU", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("pixel_accuracy", "pixel acc.", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("mean_accuracy", "mean acc.", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("frequency_weighted_iou", "fwIoU", PERCENT, 1, "higher", interval=_BOOTSTRAP),
        FigureName("params", "params", "M", None, "lower"),
        FigureName("trainable", "trainable", "M", None, "lower"),
        FigureName("gflops", "GFLOPs", "", None, "lower"),
        FigureName("gmac", "GMAC", "", None, "lower"),
        FigureName("text_gflops", "text GFLOPs", "", None, "lower"),
        FigureName("latency", "latency", "ms", 1, "lower", True, _MEDIAN),
        FigureName("throughput", "images/s", "", 2, "higher", True, _MEDIAN),
        FigureName("memory", "peak activations", "MiB", None, "lower", True),
        FigureName("weights_memory", "weights", "MiB", None, "lower"),
    )
}
