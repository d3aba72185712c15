"""Names beside points, where they cover nothing; a name that finds no place is left out and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from benchbed.report.plots.plot import settle
from benchbed.report.plots.style import GREY, SMALL

# (horizontal, vertical) shift in points and the text's alignment there, the best place first.
_Place = tuple[float, float, Literal["left", "center", "right"], Literal["bottom", "center", "top"]]
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
_POINT: Final = 4.0  # pixels around a point, at 72 dots an inch, that stay free


@dataclass(frozen=True)
class Tag:
    """A name for the point (x, y) in the axes' data."""

    name: str
    x: float
    y: float
    colour: str


def place_tags(figure: Figure, axes: Axes, tags: Sequence[Tag]) -> list[str]:
    """Write the names, the first ones first; returns those for which there was no place."""
    settle(figure)  # places hold for this arrangement alone
    canvas = FigureCanvasAgg(figure)
    frame = axes.get_window_extent()
    around = _POINT * figure.dpi / 72
    points = [axes.transData.transform((tag.x, tag.y)) for tag in tags]
    taken = [Bbox.from_bounds(x - around, y - around, 2 * around, 2 * around) for x, y in points]
    return [tag.name for tag in tags if not _placed(axes, canvas, tag, frame, taken)]


def _placed(axes: Axes, canvas: FigureCanvasAgg, tag: Tag, frame: Bbox, taken: list[Bbox]) -> bool:
    text = axes.annotate(
        tag.name,
        (tag.x, tag.y),
        (0, 0),
        textcoords="offset points",
        color=tag.colour,
        fontsize=SMALL,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0.0, "shrinkB": 3.0},
    )
    for right, up, across, along in _PLACES:
        text.set_position((right, up))
        text.set_horizontalalignment(across)
        text.set_verticalalignment(along)
        text.update_positions(canvas.get_renderer())
        box = Text.get_window_extent(text, canvas.get_renderer())  # without the line to the point
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            if (
                text.arrow_patch is not None
            ):  # a line to the point, where the name does not stand right beside it
                text.arrow_patch.set_visible(max(abs(right), abs(up)) > NEAR)
            return True
    text.remove()
    return False
