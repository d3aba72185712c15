"""A plot, and its bytes: the same figures give the same file, on any day."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from benchbed.report.plots.style import styled

FORMATS: Final = ("pdf", "png")
# No date, no version of matplotlib: a file changes only where its content does.
_METADATA: Final[dict[str, dict[str, Any]]] = {
    "pdf": {"Creator": "benchbed", "Producer": "benchbed", "CreationDate": None},
    "png": {"Software": None},
    "svg": {"Creator": "benchbed", "Date": None},
}


@dataclass(frozen=True)
class Plot:
    """What a plot function gives.

    Attributes:
        name: of its files, without ending.
        figure: matplotlib's, not bound to any window.
        caption: what a reader needs to read it: what bars and marks mean, what was left out.
        alt: the plot in one sentence, for who cannot see it.
        texts: the names drawn on it, which decide the fonts.
    """

    name: str
    figure: Figure
    caption: str
    alt: str
    texts: tuple[str, ...] = ()


def settle(figure: Figure) -> None:
    """Arrange a figure once and for all: a second arrangement starts from the first and ends a little elsewhere."""
    FigureCanvasAgg(figure)
    if not isinstance(figure.get_layout_engine(), (PlaceHolderLayoutEngine, type(None))):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def plot_bytes(plot: Plot, kind: str) -> bytes:
    """The plot as `pdf`, `png` (300 dots an inch) or `svg`.

    Raises:
        ValueError: another kind.
    """
    if kind not in _METADATA:
        raise ValueError(f"a plot as {kind!r}: expected one of {', '.join(_METADATA)}")
    content = io.BytesIO()
    with styled(plot.texts):
        settle(plot.figure)
        plot.figure.savefig(content, format=kind, metadata=_METADATA[kind])
    return content.getvalue()
