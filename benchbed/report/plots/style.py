"""How every plot looks: column width, letters of 7 points and more, no user's settings, no formulas in names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchbed.report.lettering import PLAIN, drawable, shortened

WIDTH: Final = 3.3  # inches: a column of a two-column paper (CVPR: 3.25, IEEE: 3.5)
SMALL: Final = 7.0  # points: the smallest letters
BODY: Final = 7.5
INK: Final = "#222222"
GREY: Final = "#767676"  # 4.5 : 1 against white, the least that WCAG 2.1 asks of text
PALE: Final = "#d9d9d9"
PNG_DPI: Final = 300
HUGE: Final = 1e12  # beyond it, 30 years of milliseconds, and below its inverse no axis makes sense
LONGEST_NAME: Final = 28  # letters
_LETTER: Final = 0.6  # of its height: an ordinary letter's width in DejaVu Sans

_SETTINGS: Final[Any] = {  # Any: matplotlib types the keys one by one
    "font.family": ["DejaVu Sans"],
    "font.size": BODY,
    "axes.titlesize": BODY,
    "axes.labelsize": BODY,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.2,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$x$"
    "pdf.fonttype": 42,  # letters stay text that can be searched; conferences refuse type 3
    "svg.hashsalt": "benchbed",  # ids in the file are the same each time
    "svg.fonttype": "path",
    "savefig.dpi": PNG_DPI,
}


@contextmanager
def styled(texts: Iterable[str] = ()) -> Iterator[None]:
    """Within it matplotlib draws as this report does, whatever a user's matplotlibrc says.

    Args:
        texts: names that will be drawn: fonts that have their letters are added behind our own.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {**_SETTINGS, "font.family": [*_SETTINGS["font.family"], *_families(texts)]}
        )
        yield


def _families(texts: Iterable[str]) -> list[str]:
    paths = dict.fromkeys(path for text in texts for path in drawable(text)[1] if path != PLAIN)
    for path in paths:
        font_manager.fontManager.addfont(path)
    return list(dict.fromkeys(FT2Font(path).family_name for path in paths))


def shown(name: str, most: int = LONGEST_NAME) -> str:
    """A name as a plot writes it: one line, letters that no font has spelt out, no wider than `most` letters usually are."""
    return shortened(drawable(name[:400])[0], most * _LETTER * 20, 20)


def new_figure(height: float, rows: int = 1, **subplots: Any) -> tuple[Figure, list[Axes]]:
    """A figure of column width and `height` inches, with `rows` axes one below the other."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, **subplots)
    return figure, [axis for line in axes for axis in line]


def within_reach(value: float) -> bool:
    """Whether an axis can hold a number: finite, and neither absurdly large nor absurdly close to 0."""
    return math.isfinite(value) and (value == 0 or 1 / HUGE < abs(value) < HUGE)


def head(axes: Axes, text: str) -> None:
    """A title above the left end of the axes."""
    axes.set_title(shown(text, 40), loc="left", color=GREY, fontsize=SMALL)


def headline(figure: Figure, text: str) -> None:
    """A title above the left end of the figure, where names beside the axes leave those too narrow for one."""
    figure.suptitle(shown(text, 54), x=0.012, ha="left", color=GREY, fontsize=SMALL)


def log_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis with plain numbers on it: 1, 2, 5, 10, ..."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    steps = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axis.set_major_locator(LogLocator(10, subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
