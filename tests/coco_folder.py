"""A synthetic COCO-Stuff: small JPEGs and grey PNGs of raw ids, in any of the layouts. `import coco_folder`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Written out, so that tests do not depend on the code they test: SPLITS.md, section 3.
NEVER = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
RAW = tuple(raw for raw in range(182) if raw not in NEVER)
UNSEEN_RAW = (20, 24, 32, 33, 40, 56, 86, 99, 105, 123, 144, 147, 148, 168, 171)
ZSSEG = ("{}2017", "stuffthingmaps/{}2017")
LAYOUTS = (
    ZSSEG,
    ("images/{}2017", "annotations/{}2017"),
    ("images/{}2017", "stuffthingmaps/{}2017"),
    ("{}_img", "{}_label"),
)


@dataclass(frozen=True)
class CocoFolder:
    """What was written: `raw` has each id's label map as stored, [H, W] uint8."""

    root: Path
    images: Path
    masks: Path
    raw: dict[str, NDArray[np.uint8]]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(sorted(self.raw))

    def image(self, name: str) -> Path:
        return self.images / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        return self.masks / f"{name}.png"


def write_coco(
    root: Path, split: str = "val", count: int = 4, layout: tuple[str, str] = ZSSEG, seed: int = 0
) -> CocoFolder:
    """Write `count` photos and label maps of 171 random classes and unlabelled pixels, the same every time."""
    random = np.random.default_rng((seed, len(split)))
    folder = CocoFolder(root, root / layout[0].format(split), root / layout[1].format(split), {})
    folder.images.mkdir(parents=True)
    folder.masks.mkdir(parents=True)
    for number in range(count):
        name = f"{139 + 7 * number:012d}"
        shape = ((40, 56), (48, 32))[number % 2]
        folder.raw[name] = random.choice(np.array([*RAW, 255], np.uint8), size=shape)
        Image.fromarray(random.integers(0, 256, (*shape, 3), np.uint8)).save(folder.image(name))
        Image.fromarray(folder.raw[name]).save(folder.mask(name))
    return folder
