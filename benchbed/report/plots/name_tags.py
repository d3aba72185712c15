"""Names beside points, where they cover nothing; a name that finds no place is left out and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

from benchbed.report.plots.plot import settle
from benchbed.report.plots.style import GREY, SMALL

# (horizontal, vertical) shift in points and the text's alignment there, the best place first.
_Place = tuple[float, float, Literal["left", "center", "right"], Literal["bottom", "center", "top"]]
Stretch = tuple[tuple[float, float], tuple[float, float]]  # both ends of a line in the axes' data
_CORNERS: Final[tuple[_Place, ...]] = (
    (5, 4, "left", "bottom"),
    (-5, 4, "right", "bottom"),
    (5, -4, "left", "top"),
    (-5, -4, "right", "top"),
    (0, 6, "center", "bottom"),
    (0, -6, "center", "top"),
    (7, 0, "left", "center"),
    (-7, 0, "right", "center"),
)
_PLACES: Final[tuple[_Place, ...]] = tuple(
    (x * reach, y * reach, across, up) for reach in (1.0, 2.2, 3.6) for x, y, across, up in _CORNERS
)
NEAR: Final = 7.0  # points
CROWDED: Final = (
    12  # names from which on a few, left out and told, are better than all, one over the other's lines
)
_POINT: Final = 4.0  # pixels around a point, at 72 dots an inch, that stay free


@dataclass(frozen=True)
class Tag:
    """A name for the point (x, y) in the axes' data."""

    name: str
    x: float
    y: float
    colour: str


def place_tags(figure: Figure, axes: Axes, tags: Sequence[Tag], lines: Sequence[Stretch] = ()) -> list[str]:
    """Write the names, the first ones first; returns those for which there was no place.

    Args:
        figure, axes: with everything else drawn.
        tags: names.
        lines: drawn stretches, which a name covers only where every other place is taken, and none of more than 12 ever.
    """
    settle(figure)  # places hold for this arrangement alone
    canvas = FigureCanvasAgg(figure)
    around = _POINT * figure.dpi / 72
    points = [axes.transData.transform((tag.x, tag.y)) for tag in tags]
    taken = [_Box(x - around, y - around, x + around, y + around) for x, y in points]
    covered = np.array([_covered(axes, line) for line in lines]).reshape(-1, 4)
    last_resort = len(tags) <= CROWDED
    return [
        tag.name
        for tag, point in zip(tags, points, strict=True)
        if not _placed(axes, canvas, tag, point, taken, covered, last_resort)
    ]


def _covered(axes: Axes, line: Stretch) -> _Box:
    """The box of a horizontal or vertical line, a pixel wide."""
    ends = axes.transData.transform(np.array(line))
    low, high = ends.min(0) - 0.5, ends.max(0) + 0.5
    return _Box(low[0], low[1], high[0], high[1])


def _placed(
    axes: Axes,
    canvas: FigureCanvasAgg,
    tag: Tag,
    point: NDArray[np.float64],
    taken: list[_Box],
    covered: NDArray[np.float64],
    last_resort: bool,
) -> bool:
    """Write a name at the first place that is free of names, points and lines; as a last resort, of names and points alone."""
    text = axes.annotate(
        tag.name,
        (tag.x, tag.y),
        (0, 0),
        textcoords="offset points",
        color=tag.colour,
        fontsize=SMALL,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0.0, "shrinkB": 3.0},
    )
    extent = Text.get_window_extent(text, canvas.get_renderer())  # without the line to the point
    frame, names = _Box(*axes.get_window_extent().extents), np.array(taken)
    boxes = [_box(place, point, extent.width, extent.height, axes.figure.dpi / 72) for place in _PLACES]
    inside = [(place, box) for place, box in zip(_PLACES, boxes, strict=True) if box.within(frame)]
    for avoided in (np.concatenate((names, covered)), *([names] if last_resort else [])):
        for place, box in inside:
            if not box.touches_any(avoided):
                taken.append(box)
                _move(text, place)
                return True
    text.remove()
    return False


class _Box(NamedTuple):
    """Pixels from the figure's lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    def within(self, frame: _Box) -> bool:
        return (
            frame.left <= self.left
            and self.right <= frame.right
            and frame.bottom <= self.bottom
            and self.top <= frame.top
        )

    def touches_any(self, boxes: NDArray[np.float64]) -> bool:
        """Whether it overlaps any of [N, 4]."""
        left, bottom, right, top = boxes.T
        apart = (right <= self.left) | (left >= self.right) | (top <= self.bottom) | (bottom >= self.top)
        return not bool(apart.all())


def _box(place: _Place, point: NDArray[np.float64], width: float, height: float, scale: float) -> _Box:
    """Where a name of this size is at a place beside a point."""
    right, up, across, along = place
    left = point[0] + right * scale - {"left": 0.0, "center": 0.5, "right": 1.0}[across] * width
    bottom = point[1] + up * scale - {"bottom": 0.0, "center": 0.5, "top": 1.0}[along] * height
    return _Box(left, bottom, left + width, bottom + height)


def _move(text: Annotation, place: _Place) -> None:
    right, up, across, along = place
    text.set_position((right, up))
    text.set_horizontalalignment(across)
    text.set_verticalalignment(along)
    if text.arrow_patch is not None:  # a line to the point, where the name does not stand right beside it
        text.arrow_patch.set_visible(max(abs(right), abs(up)) > NEAR)
