"""The page's columns: which views they stand in, which axis they may be, and how each number comes about, in words."""

from __future__ import annotations

from typing import Any, Final

from benchbed.report.figure_names import FIGURES, FigureName

ACCURACY: Final = (
    "miou",
    "seen_miou",
    "unseen_miou",
    "hiou",
    "pixel_accuracy",
    "mean_accuracy",
    "frequency_weighted_iou",
)
COST: Final = (
    "params",
    "trainable",
    "gflops",
    "gmac",
    "text_gflops",
    "latency",
    "throughput",
    "memory",
    "weights_memory",
)
# Key, label and figures of each view; the first is shown at first.
VIEWS: Final = (
    (
        "main",
        "Main",
        ("miou", "seen_miou", "unseen_miou", "hiou", "params", "gflops", "latency", "throughput"),
    ),
    ("accuracy", "Accuracy", ACCURACY),
    ("cost", "Cost", COST),
)

HOW: Final = {
    "miou": "Mean IoU over the classes that the protocol's rule for absent classes counts, from integer counts.",
    "seen_miou": "Mean IoU over the classes whose masks the method was trained with.",
    "unseen_miou": "Mean IoU over the classes whose masks the method never saw.",
    "hiou": "Harmonic mean 2su / (s + u) of seen and unseen mIoU, computed within every bootstrap draw.",
    "pixel_accuracy": "Labelled pixels predicted right.",
    "mean_accuracy": "Mean over classes of the labelled pixels predicted right.",
    "frequency_weighted_iou": "IoU weighted by each class's share of the labelled pixels.",
    "params": "All parameters, those of a frozen CLIP included, millions.",
    "trainable": "Parameters that the recipe trains, millions.",
    "gflops": "Of one image, without text tower and label map; 1 multiply-add = 2 FLOPs.",
    "gmac": "Multiply-adds of one image: half the FLOPs.",
    "text_gflops": "Of encoding the vocabulary once; 1 multiply-add = 2 FLOPs.",
    "latency": "Median over interleaved rounds, from the decoded image to the label map at its own size.",
    "throughput": "Images a second at batch 1: the inverse of the median latency, hence derived.",
    "memory": "Peak above weights and what was held before the call.",
    "weights_memory": "Memory of the weights.",
}
_SIGN: Final = {"higher": 1, "lower": -1, "neither": 0}


def columns() -> list[dict[str, Any]]:
    """Every figure as the page's script wants it: key, label, unit, better (1, -1, 0), views, plot axis, how."""
    return [_column(spec) for spec in FIGURES.values()]


def _column(spec: FigureName) -> dict[str, Any]:
    interval = f" Interval: {spec.interval}." if spec.interval else ""
    return {
        "key": spec.name,
        "label": spec.heading,
        "unit": spec.unit,
        "better": _SIGN[spec.better],
        "views": [key for key, _, names in VIEWS if spec.name in names],
        "plot": "up" if spec.name in ACCURACY else "across" if spec.name in COST else "",
        "how": HOW.get(spec.name, spec.heading) + interval,
    }
