"""The 171 classes of COCO-Stuff, their raw ids and the 156 seen / 15 unseen split of SPNet."""

from __future__ import annotations

from typing import Final

# Raw ids 0..90 are COCO's things and 91..181 stuff; these eleven things have no annotation and never occur
# (nightrome/cocostuff, README, "Label Names & Indices": hat, mirror, door and so on; ids there are one higher).
NEVER: Final = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)

RAW: Final = tuple(raw for raw in range(182) if raw not in NEVER)
"""The raw id, as stored in a stuffthingmap, of each label 0..170: the natural order, as zsseg, DeOP and mmsegmentation have it.

ZegFormer's own order is another one: its 156 seen classes first.
"""

# nightrome/cocostuff, labels.txt, in the order of the raw ids; a comma ends each name.
_THINGS: Final = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball
bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife,
spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair,
couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone,
microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier,
toothbrush
"""
_STUFF: Final = """
banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet,
ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt,
door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog,
food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat,
metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other,
plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea,
shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel,
wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood
"""

NAMES: Final = tuple(" ".join(name.split()) for name in f"{_THINGS}, {_STUFF}".split(","))
"""The official names, in label order."""

# CaGNet's dataset/cocostuff/split/novel_cls.npy, zsseg's novel_clsID, ZegCLIP's and MaskCLIP's configurations agree on them.
UNSEEN_RAW: Final = (20, 24, 32, 33, 40, 56, 86, 99, 105, 123, 144, 147, 148, 168, 171)
SEEN: Final = tuple(raw not in UNSEEN_RAW for raw in RAW)
"""Flags in label order."""

# MaskCLIP's tools/maskclip_utils/prompt_engineering.py: `x-other` and `x-stuff` are `x`, `x-y` of floors and walls is `y x`.
_MASKCLIP: Final = {"ceiling-tile": "tile ceiling", "window-blind": "blind window"}


def _as_maskclip(name: str) -> str:
    first, _, second = name.partition("-")
    if second in ("other", "stuff"):
        return first
    if first in ("floor", "wall") and second:
        return f"{second} {first}"
    return _MASKCLIP.get(name, name)


MASKCLIP_NAMES: Final = tuple(_as_maskclip(name) for name in NAMES)
"""The names as MaskCLIP puts them into prompts, in label order."""
