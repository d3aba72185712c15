"""A synthetic VOCdevkit: small JPEGs, palette PNG masks in VOC's colours, the list. `import voc_devkit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The first colours of the VOC development kit; written out, so that tests do not depend on the code they
# test. fmt: off
COLOURS = (
    (0, 0, 0),
    (128, 0, 0),
    (0, 128, 0),
    (128, 128, 0),
    (0, 0, 128),
    (128, 0, 128),
    (0, 128, 128),
    (128, 128, 128),
    (64, 0, 0),
    (192, 0, 0),
    (64, 128, 0),
    (192, 128, 0),
    (64, 0, 128),
    (192, 0, 128),
    (64, 128, 128),
    (192, 128, 128),
    (0, 64, 0),
    (128, 64, 0),
    (0, 192, 0),
    (128, 192, 0),
    (0, 64, 128),
)
# fmt: on
VOID_COLOUR = (224, 224, 192)
SIZES = ((60, 80), (75, 50), (48, 64))


@dataclass(frozen=True)
class Devkit:
    """What was written.

    Attributes:
        root: the folder to pass as `--data-root`; VOCdevkit/VOC2012 is below it.
        ids: the image ids, in the order of the list.
        raw: each id's mask as stored, [H, W] uint8: 0 background, 1..20 classes, 255 void.
    """

    root: Path
    ids: tuple[str, ...]
    raw: dict[str, NDArray[np.uint8]]

    @property
    def folder(self) -> Path:
        """VOCdevkit/VOC2012."""
        return self.root / "VOCdevkit" / "VOC2012"

    @property
    def list_file(self) -> Path:
        """The list of val."""
        return self.folder / "ImageSets" / "Segmentation" / "val.txt"

    def image(self, name: str) -> Path:
        """The JPEG of an id."""
        return self.folder / "JPEGImages" / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        """The PNG of an id."""
        return self.folder / "SegmentationClass" / f"{name}.png"


def write_devkit(root: Path, count: int = 4, seed: int = 0) -> Devkit:
    """Write `count` images and masks under `root`, the same pixels every time; 10 images hold all classes."""
    ids = tuple(f"2007_{number:06d}" for number in range(33, 33 + count))
    kit = Devkit(root, ids, {name: random_mask(number, seed) for number, name in enumerate(ids)})
    for path in (kit.image("x").parent, kit.mask("x").parent, kit.list_file.parent):
        path.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(ids):
        write_photo(kit.image(name), kit.raw[name], seed + number)
        write_mask(kit.mask(name), kit.raw[name])
    kit.list_file.write_text("".join(f"{name}\n" for name in ids))
    return kit


def random_mask(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """A raw mask [H, W]: background, boxes of four classes with a void border, 2 pixels wide, around each."""
    random = np.random.default_rng((seed, number))
    height, width = SIZES[number % len(SIZES)]
    mask = np.zeros((height, width), np.uint8)
    for place in range(4):
        top, left = int(random.integers(0, height - 26)), int(random.integers(0, width - 26))
        tall, wide = (int(side) for side in random.integers(12, 24, size=2))
        mask[top : top + tall, left : left + wide] = 255
        mask[top + 2 : top + tall - 2, left + 2 : left + wide - 2] = 1 + (2 * number + place) % 20
    return mask


def write_photo(path: Path, raw: NDArray[np.uint8], seed: int = 0) -> None:
    """A JPEG that shows the mask's classes in their colours, with noise."""
    noise = np.random.default_rng(seed).integers(-20, 21, size=(*raw.shape, 3))
    picture = np.array(_palette(), np.int64).reshape(256, 3)[raw] // 2 + 60 + noise
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, "JPEG", quality=95)


def write_mask(path: Path, raw: NDArray[np.uint8]) -> None:
    """A palette PNG with VOC's colours, as in the official archive."""
    image = Image.fromarray(raw)
    image.putpalette(_palette())
    image.save(path, "PNG")


def _palette() -> list[int]:
    colours = [*COLOURS, *[(0, 0, 0)] * (255 - len(COLOURS)), VOID_COLOUR]
    return [value for colour in colours for value in colour]
