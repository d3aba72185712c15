"""Pictures of the gallery as the page carries them: a small photo, and label maps whose colours the page's script gives."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.report.gallery import ShownImage

QUALITY: Final = 82  # of the photo's JPEG
IGNORED: Final = 65535  # what the page's script takes for an ignored pixel


def scene_data(image: ShownImage, group: int, places: Mapping[str, int]) -> dict[str, Any]:
    """An image of the gallery as the page's script wants it.

    Args:
        image: at display size.
        group: place of its group on the page.
        places: row key -> place of the row; panels of rows that are not on the page are left out.
    """
    panels = {str(places[panel.row.key]): panel for panel in image.panels if panel.row.key in places}
    truth = np.where(image.truth == len(image.names), IGNORED, image.truth)
    return {
        "id": image.image_id,
        "why": image.why,
        "group": group,
        "photo": _address(Image.fromarray(image.photo), "jpeg", quality=QUALITY, optimize=True),
        "truth": label_picture(truth),
        "predictions": {place: label_picture(panel.labels) for place, panel in panels.items()},
        "right": {
            place: round(panel.right, 4) if math.isfinite(panel.right) else None
            for place, panel in panels.items()
        },
    }


def within(scenes: Sequence[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    """Scenes that together take no more than `budget` bytes, in their order; one of each group before a second of any."""
    order = sorted(range(len(scenes)), key=lambda place: (_before(scenes, place), place))
    kept, left = [], budget
    for place in order:
        size = _size(scenes[place])
        if size <= left:
            kept.append(place)
            left -= size
    return [scenes[place] for place in sorted(kept)]


def _before(scenes: Sequence[dict[str, Any]], place: int) -> int:
    return sum(scene["group"] == scenes[place]["group"] for scene in scenes[:place])


def _size(scene: dict[str, Any]) -> int:
    pictures = (scene["photo"], scene["truth"], *scene["predictions"].values())
    return sum(map(len, pictures)) + 200 + 40 * len(scene["predictions"])  # names and punctuation


def label_picture(labels: NDArray[np.integer]) -> str:
    """A label map [h, w] as a PNG's data address: red holds the label's low byte, green its high byte."""
    values, places = np.unique(labels, return_inverse=True)
    colours = np.stack([values % 256, values // 256, np.zeros_like(values)], axis=1).astype(np.uint8)
    if len(values) > 256:
        return _address(Image.fromarray(colours[places.reshape(labels.shape)]), "png", optimize=True)
    picture = Image.fromarray(places.reshape(labels.shape).astype(np.uint8))
    picture.putpalette(colours.tobytes())
    return _address(picture, "png", optimize=True)


def _address(picture: Image.Image, kind: str, **options: Any) -> str:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
