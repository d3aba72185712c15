"""The pictures that the small CLIP is trained on: drawn once, from the train split of `shapes`, and kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from open_clip import tokenize

from benchbed.datasets.shapes import CLASSES, object_crop, scene
from benchbed.datasets.shapes.captions import FROM_LEFT, NUMBERS, PAIRS, TEMPLATES
from benchbed.progress import Reporter
from benchbed.training.clip_prompts import PROMPT, all_prompts
from benchbed.training.clip_recipe import ClipRecipe

PAD, START, END = 0, 49406, 49407  # of CLIP's vocabulary
PATIENCE: Final = 50  # pictures between two words about progress

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Crop:
    """One whole object: image [S, S, 3] uint8, its box (left, top, right, bottom), a caption, and the drawing's outline.

    The outline is packed, 8 pixels a byte; it is for drawing the object again without its ground, never for a loss.
    """

    image: NDArray[np.uint8]
    box: Box
    caption: str
    packed: NDArray[np.uint8]

    def outline(self) -> NDArray[np.bool_]:
        """[S, S], True where the object is."""
        side = len(self.image)
        return np.unpackbits(self.packed, axis=1, count=side).astype(bool)


@dataclass(frozen=True)
class View:
    """A scene: image [H, W, 3] uint8, the middles (x, y) of its n visible objects [n, 2], and their n classes."""

    image: NDArray[np.uint8]
    middles: NDArray[np.float64]
    classes: tuple[int, ...]


@dataclass(frozen=True)
class OutlinedScene:
    """A scene: image [H, W, 3] uint8, ids [H, W] uint8 (0 ground, k + 1 object k), and the objects' n classes."""

    image: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Pool:
    """All of them: `crops[k]` are those of class k; `scenes` are for the third stage."""

    crops: tuple[tuple[Crop, ...], ...]
    views: tuple[View, ...]
    scenes: tuple[OutlinedScene, ...] = ()


def draw_pool(recipe: ClipRecipe, reporter: Reporter) -> Pool:
    """Draw them: 1 ms and 20 kB a crop, 4 ms and 60 to 80 kB a scene. Captions name all 20 classes equally often."""
    crops: list[list[Crop]] = [[] for _ in CLASSES]
    first = 0
    for side, count in recipe.crop_pools:
        for index in _told(first, count, f"object crops of {side} pixels", reporter):
            drawn = object_crop(index, "train", side=side)
            alone = drawn.instances[0]
            outline = np.packbits(drawn.instance_ids > 0, axis=1)
            crops[alone.class_id].append(Crop(drawn.image, alone.box, drawn.caption, outline))
        first += count
    views = [_view(index) for index in _told(0, recipe.scene_pool, "scenes", reporter)]
    asked = 0 if recipe.regions is None or recipe.scenes is None else recipe.scenes.pool
    outlined = [_outlined(index) for index in _told(0, asked, "scenes with outlines", reporter)]
    return Pool(tuple(tuple(each) for each in crops), tuple(views), tuple(outlined))


def _view(index: int) -> View:
    drawn = scene(index, "train")
    boxes = np.array([each.box for each in drawn.instances], np.float64)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return View(drawn.image, middles, tuple(each.class_id for each in drawn.instances))


def _outlined(index: int) -> OutlinedScene:
    drawn = scene(index, "train")
    return OutlinedScene(drawn.image, drawn.instance_ids, tuple(each.class_id for each in drawn.instances))


def _told(first: int, count: int, what: str, reporter: Reporter) -> Iterator[int]:
    if not count:
        return
    with reporter.task(f"drawing {what}", count) as tick:
        for done in range(count):
            yield first + done
            if (done + 1) % PATIENCE == 0 or done + 1 == count:
                tick(done + 1)


def words_in_use(recipe: ClipRecipe) -> list[int]:
    """Ascending ids of every token that a caption, or a prompt where the recipe has some, can hold."""
    names = [*CLASSES, *(f"{name}s" for name in CLASSES)]
    counted = [f"{number} {name}" for number in NUMBERS[1:] for name in names]
    frames = [text.replace("{}", CLASSES[0]) for text in (*TEMPLATES, *PAIRS, FROM_LEFT, "{}, {} and {}")]
    prompts = all_prompts() if recipe.prompts else []
    texts = [*counted, *frames, *prompts, *(PROMPT.format(name) for name in CLASSES)]
    return sorted({PAD, START, END, *tokenize(texts).unique().tolist()})
