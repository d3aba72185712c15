"""Where the time of one image goes: a bar a method, its stages in the order of the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from benchbed.report.figures import stage_medians
from benchbed.report.picture_file import group_name
from benchbed.report.plots.plot import Plot
from benchbed.report.plots.style import (
    GREY,
    INK,
    PALE,
    SMALL,
    headline,
    new_figure,
    shown,
    styled,
    within_reach,
)
from benchbed.report.plots.words import listed
from benchbed.report.rows import Row
from benchbed.stages import STAGES, UNACCOUNTED

# Neighbours in the forward pass differ in lightness, so that bars can be read in grey too: Okabe and Ito's colours in an order
# of their own, with two greys from the same source's black.
COLOURS: Final = dict(
    zip(
        STAGES,
        ("#222222", "#0072b2", "#56b4e9", "#774444", "#e69f00", "#f0e442", "#009e73", "#cc79a7", "#d55e00"),
        strict=True,
    )
)
ROW: Final = 0.2  # inches
MOST: Final = 24  # methods


def stages_plot(rows: Sequence[Row]) -> Plot | None:
    """Median time of each stage, ms; what no stage claims is hatched.

    Args:
        rows: of one group and one machine (`Row.speed_group`).

    Returns:
        None where no row has times.
    """
    timed = [(row, stage_medians(row.record)) for row in rows if row.record and row.figure("latency")]
    timed = sorted(
        ((r, stages) for r, stages in timed if stages and within_reach(sum(stages.values()))),
        key=lambda pair: -sum(pair[1].values()),
    )
    if not timed:
        return None
    kept, left_out = timed[-MOST:], timed[:-MOST]
    used = [name for name in (*STAGES, UNACCOUNTED) if any(name in stages for _, stages in kept)]
    texts = tuple(row.label for row, _ in kept)
    with styled(texts):
        lines = -(-len(used) // 3)
        source = kept[0][0].provenance
        figure, (axes,) = new_figure(0.75 + ROW * len(kept) + 0.16 * lines)
        for place, (row, stages) in enumerate(kept):
            _bar(axes, len(kept) - 1 - place, stages, used, row)
        _frame(axes, kept)
        headline(figure, f"{kept[0][0].dataset}, {source.protocol} {source.fingerprint[:8]}")
        figure.legend(
            *_legend(used),
            loc="outside lower left",
            ncols=3,
            handlelength=1.0,
            columnspacing=1.0,
            fontsize=SMALL,
        )
    name = f"stages-{group_name(kept[0][0])}"
    return Plot(name, figure, _caption(kept[0][0], left_out), _alt(kept), texts)


def _bar(axes: Axes, height: int, stages: dict[str, float], used: Sequence[str], row: Row) -> None:
    left = 0.0
    for name in used:
        if name in stages:
            axes.barh(height, stages[name], left=left, height=0.68, **_fill(name))
            left += stages[name]
    latency = row.figure("latency")
    assert latency is not None
    axes.text(left, height, f" {latency.value:.3g}", va="center", fontsize=SMALL, color=INK)


def _fill(name: str) -> dict[str, Any]:
    if name == UNACCOUNTED:
        return {"facecolor": "white", "edgecolor": GREY, "hatch": "/////", "linewidth": 0.4}
    return {"facecolor": COLOURS[name], "edgecolor": "white", "linewidth": 0.4}


def _legend(used: Sequence[str]) -> tuple[list[Patch], list[str]]:
    return [Patch(**_fill(name)) for name in used], [name.replace("_", " ") for name in used]


def _frame(axes: Axes, kept: Sequence[tuple[Row, dict[str, float]]]) -> None:
    axes.set_yticks(range(len(kept)), [shown(row.label) for row, _ in reversed(kept)])
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.12, y=0.02)
    axes.set_xlim(left=0)
    axes.spines["left"].set_color(PALE)
    axes.set_xlabel("ms an image")
    axes.grid(True, axis="x")


def _caption(row: Row, left_out: Sequence[tuple[Row, dict[str, float]]]) -> str:
    parts = [
        f"Median time of each stage of the forward pass on {row.dataset}; {row.provenance.processor}.",
        "Number: median latency; medians of parts need not add up to it. Hatched: what no stage claims.",
    ]
    if left_out:
        parts.append(f"The slowest are not shown: {listed([each.label for each, _ in left_out])}.")
    return " ".join(parts)


def _alt(kept: Sequence[tuple[Row, dict[str, float]]]) -> str:
    each = []
    for row, stages in list(reversed(kept))[:12]:
        most = max(stages, key=lambda name: stages[name])
        share = 100 * stages[most] / max(sum(stages.values()), 1e-12)
        each.append(f"{row.label} {sum(stages.values()):.3g} ms, most of it {most} ({share:.0f} %)")
    return f"Stages of the forward pass: {'; '.join(each)}."
