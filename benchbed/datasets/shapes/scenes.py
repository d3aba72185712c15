"""A scene: ground, objects, shadows, light and grain, made from a seed, a split and an index alone."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchbed.datasets.shapes.captions import caption_of
from benchbed.datasets.shapes.classes import CLASSES, IGNORE, texture_of
from benchbed.datasets.shapes.fixed_point import blend, coverage, grid
from benchbed.datasets.shapes.ground import paint_ground
from benchbed.datasets.shapes.layout import Ids, Placed, place_alone, place_objects
from benchbed.datasets.shapes.lighting import Light
from benchbed.datasets.shapes.palette import object_colours
from benchbed.datasets.shapes.random_stream import Stream
from benchbed.datasets.shapes.textures import Texture
from benchbed.errors import UsageError

GENERATOR_VERSION = 1
"""Recorded with every result. Any change that alters a single pixel, label or caption must raise it."""

DEFAULT_SEED = 0
SPLIT_SIZES = {"train": 12000, "val": 200}
"""Scenes in a split unless another number is asked for; a larger split begins with a smaller one's scenes."""

SIZES = ((128, 128), (128, 160), (160, 128), (112, 144))
"""(height, width) of a scene, pixels: a few different ones, so that padding and odd shapes are exercised."""

CROP_SIDE = 64
# Below, the smallest object's texture is finer than its period allows; above, 32-bit products could overflow.
CROP_SIDES = (64, 224)


@dataclass(frozen=True)
class Instance:
    """One visible object.

    Attributes:
        class_id: 0 .. 19.
        box: (left, top, right, bottom) around its visible pixels; right and bottom are one past the last
            pixel.
        visible_pixels: how many pixels show it.
        full_pixels: how many would, were nothing in front of it and no border.
    """

    class_id: int
    box: tuple[int, int, int, int]
    visible_pixels: int
    full_pixels: int


@dataclass(frozen=True)
class Scene:
    """A scene with everything known about it.

    Attributes:
        image: RGB, uint8 `[H, W, 3]`, contiguous.
        labels: class ids, uint8 `[H, W]`: 0 .. 19, or 255 for the ground (not a class: ignored).
        instance_ids: uint8 `[H, W]`: 0 for the ground, k where `instances[k - 1]` is visible.
        instances: the objects from back to front.
        caption: a sentence that names the classes of all of them.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    instance_ids: Ids
    instances: tuple[Instance, ...]
    caption: str


def scene(index: int, split: str, seed: int = DEFAULT_SEED) -> Scene:
    """Scene `index` (0, 1, ...) of `split` ("train" or "val"): 2 to 6 overlapping objects.

    The same arguments give the same bytes on every machine, in any order of calls.

    Raises:
        UsageError: an unknown split, or a seed outside 0 .. 2**64 - 1.
        ValueError: a negative index.
    """
    stream = _stream("scene", operator.index(index), split, operator.index(seed))
    height, width = stream.child("size").choice(SIZES)
    placed, ids = place_objects(height, width, stream.child("layout"))
    return _composed(placed, ids, stream)


def scene_labels(index: int, split: str, seed: int = DEFAULT_SEED) -> npt.NDArray[np.uint8]:
    """The labels of `scene(...)` alone, `[H, W]`: nothing is painted."""
    stream = _stream("scene", operator.index(index), split, operator.index(seed))
    height, width = stream.child("size").choice(SIZES)
    placed, ids = place_objects(height, width, stream.child("layout"))
    return _labels(placed, ids)


def object_crop(index: int, split: str, seed: int = DEFAULT_SEED, side: int = CROP_SIDE) -> Scene:
    """Crop `index` of `split`: one whole object (`instances[0]`) on a ground of `side` x `side` pixels.

    Every run of 20 crops that starts at a multiple of 20 holds each class once, in random order. `side` is
    part of what the crop is: another side is another picture of the same class, not a scaled one.

    Raises:
        UsageError: an unknown split, or a seed outside 0 .. 2**64 - 1.
        ValueError: a negative index, or a side outside 64 .. 224.
    """
    if not CROP_SIDES[0] <= side <= CROP_SIDES[1]:
        raise ValueError(f"side is {side}; a crop has {CROP_SIDES[0]} to {CROP_SIDES[1]} pixels a side")
    index, seed = operator.index(index), operator.index(seed)
    stream = _stream("crop", index, split, seed)
    placed, ids = place_alone(crop_class(index, split, seed), side, stream.child("layout"))
    return _composed(placed, ids, stream)


def crop_class(index: int, split: str, seed: int = DEFAULT_SEED) -> int:
    """The class of crop `index`: known without drawing it."""
    block, place = divmod(index, len(CLASSES))
    return Stream.of("crop order", seed, split, block).shuffled(range(len(CLASSES)))[place]


def check_stream(split: str, seed: int) -> None:
    """Raise UsageError unless `split` is "train" or "val" and `seed` lies in 0 .. 2**64 - 1."""
    if split not in SPLIT_SIZES:
        raise UsageError(
            f"shapes has no split {split!r}: expected {' or '.join(SPLIT_SIZES)}; choose one of them"
        )
    if not 0 <= seed < 1 << 64:
        raise UsageError(
            f"the seed {seed} is out of range for shapes: expected 0 to 2**64 - 1; choose another"
        )


def _stream(kind: str, index: int, split: str, seed: int) -> Stream:
    check_stream(split, seed)
    if index < 0:
        raise ValueError(f"scene index is {index}; expected 0 or more")
    return Stream.of(kind, seed, split, index)


def _composed(placed: list[Placed], ids: Ids, stream: Stream) -> Scene:
    labels = _labels(placed, ids)
    instances = tuple(_instance(thing, ids == number) for number, thing in enumerate(placed, start=1))
    from_left = sorted(instances, key=lambda instance: instance.box[0] + instance.box[2])
    caption = caption_of([CLASSES[instance.class_id] for instance in from_left], stream.child("caption"))
    return Scene(_painted(placed, ids.shape, stream), labels, ids, instances, caption)


def _labels(placed: list[Placed], ids: Ids) -> npt.NDArray[np.uint8]:
    labels = np.full(ids.shape, IGNORE, np.uint8)
    for number, thing in enumerate(placed, start=1):
        labels[ids == number] = thing.class_id
    return labels


def _instance(thing: Placed, visible: npt.NDArray[np.bool_]) -> Instance:
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Instance(thing.class_id, box, int(np.count_nonzero(visible)), thing.pixels)


def _painted(placed: list[Placed], shape: tuple[int, ...], stream: Stream) -> npt.NDArray[np.uint8]:
    """The picture: ground, each object over its shadow, back to front, light over all, grain: `[H, W, 3]`."""
    height, width = shape
    light = Light.draw(stream.child("light"))
    canvas = paint_ground(height, width, stream.child("ground"))
    for number, thing in enumerate(placed):
        _cast_shadow(canvas, thing, light)
        _paint_object(canvas, thing, light, stream.child("object", number))
    canvas *= light.over_scene(height, width)[:, :, None]
    canvas >>= np.int32(8)
    canvas += _grain(height, width, stream.child("grain"))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _cast_shadow(canvas: npt.NDArray[np.int32], thing: Placed, light: Light) -> None:
    under, plane = thing.windows(canvas.shape[0], canvas.shape[1], *light.shadow_offset())
    canvas[under] = (canvas[under] * light.shadow(thing.distance[plane])[:, :, None]) >> np.int32(8)


def _paint_object(canvas: npt.NDArray[np.int32], thing: Placed, light: Light, stream: Stream) -> None:
    here, plane = thing.windows(canvas.shape[0], canvas.shape[1])
    half, side = thing.distance.shape[0] // 2, thing.distance.shape[0]
    x, y = grid(-half, -half, side, side)
    x, y = x[:, plane[1]], y[plane[0], :]
    first, second = object_colours(stream.child("colours"))
    texture = Texture.draw(texture_of(thing.class_id), thing.radius, stream.child("texture"))
    surface = np.empty((y.shape[0], x.shape[1], 3), np.int32)
    surface[:] = first
    blend(surface, second, texture.coverage(x, y))
    distance = thing.distance[plane]
    surface = (surface * light.over_object(distance, x, y, thing.reach)[:, :, None]) >> np.int32(8)
    blend(canvas[here], surface, coverage(distance))


def _grain(height: int, width: int, stream: Stream) -> npt.NDArray[np.int32]:
    """Sensor noise, -7 .. 7 with a triangular distribution, `[height, width, 3]`."""
    words = stream.words(height * width)[:, None] >> np.array([0, 6, 12], np.uint64)
    bits = words.astype(np.int32) & np.int32(63)
    return ((bits & np.int32(7)) + (bits >> np.int32(3)) - np.int32(7)).reshape(height, width, 3)
