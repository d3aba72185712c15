"""How the small CLIP of `shapes` is trained, as plain data. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from benchbed.clip_sizes import TINY, ClipSize
from benchbed.training.recipe import Schedule


@dataclass(frozen=True)
class ClipPhase:
    """A part of the steps.

    Attributes:
        share: of all steps.
        side: pixels a side of what the image tower sees.
        scene_groups: of the groups of a step, how many are of windows of scenes instead of single objects.
    """

    share: float
    side: int
    scene_groups: int


# Small pictures first: 25 patches instead of 64, and what takes longest to learn, shape, is learned just as well there.
COARSE_TO_FINE: Final = (ClipPhase(0.6, 40, 0), ClipPhase(0.4, 64, 1))
# As drawn, and shrunk: at 96 pixels the same object has finer edges and, cut out tightly, less of its ground.
CROP_POOLS: Final = ((64, 20_000), (96, 20_000))


@dataclass(frozen=True)
class ClipRegions:
    """The second stage: the image tower alone learns on, so that it can name parts of a picture and objects without ground.

    Texts, and the temperature, stay as the first stage left them: the vectors of class names are those of both.

    Attributes:
        steps: optimiser steps.
        collages: pictures a step, each of `cells` captioned ones; `collages * cells` is a multiple of 20.
        cells: of a collage.
        sizes: (height, width) of collages, pixels; those of scenes.
        bare: share of the one group of single objects that is drawn without ground.
        patches: as in `ClipRecipe`, for the mean of a region's patches.
        lr, schedule: of the stage.
    """

    steps: int = 6000
    collages: int = 5
    cells: int = 4
    sizes: tuple[tuple[int, int], ...] = ((128, 128), (128, 160), (160, 160), (144, 176), (192, 192))
    bare: float = 0.5
    patches: float = 0.5
    lr: float = 6e-4
    schedule: Schedule = Schedule("cosine", warmup=100, warmup_factor=0.01)  # noqa: RUF009 (frozen)


@dataclass(frozen=True)
class ClipScenes:
    """The third stage: the image tower learns to name objects inside scenes, small ones and half hidden ones.

    A large CLIP has that from its data; without it, this one named every other object under its true mask, and bounded every
    method that reads CLIP's features of a whole image.

    Attributes:
        steps: optimiser steps.
        pool: scenes drawn from the train split.
        views: windows of scenes, a step.
        sides: pixels a side of a window after enlargement.
        least_left: an object of which the window shows less than this share of its visible pixels is not asked for.
        by_class: share of windows whose regions are classes, as in a label map, and not single objects.
        touched: share of regions that are all patches the object touches; the others are those that it fills by 0.3.
        rough: share of regions whose edge is changed by chance.
        regions_every: every so many steps a step of the second stage is taken with it, so that nothing is forgotten.
        patches: as in `ClipRecipe`, for the mean of a region's patches.
        covered: share of windows whose patches' values in the last block are multiplied by a smooth random field between the
            bounds `cover`: a method that weighs values by how many of its masks cover a patch reads such features.
        lr, schedule: of the stage.
    """

    steps: int = 8000
    pool: int = 6000
    views: int = 8
    sides: tuple[int, ...] = (128, 160)
    least_left: float = 0.5
    by_class: float = 0.6
    touched: float = 0.75
    rough: float = 0.3
    regions_every: int = 3
    patches: float = 0.5
    covered: float = 0.6
    cover: tuple[float, float] = (0.8, 3.0)
    lr: float = 6e-4
    schedule: Schedule = Schedule("cosine", warmup=100, warmup_factor=0.01)  # noqa: RUF009 (frozen)


@dataclass(frozen=True)
class ClipRecipe:
    """One training of a CLIP on `shapes`; the numbers are ours.

    A step sees a few groups of 20 pictures. The contrastive loss is open_clip's, of each group for itself, and averaged: a group
    of single objects holds each class once, for with two crops of one class in it, it would hold each one's caption to be wrong
    for the other.

    Attributes:
        size: of both towers.
        steps: optimiser steps.
        groups: of 20 pictures, a step.
        phases: in order; shares add up to 1.
        crop_pools: (side in pixels, number) of object crops drawn from the train split; numbers are multiples of 20.
        scene_pool: scenes drawn from the train split.
        zoom: side of the square cut out around an object, as a multiple of the longer side of its box.
        shift: how far the square may lie beside the object's middle, as a share of its own side.
        window: least and greatest side of a window of a scene, pixels.
        prompts: share of object crops that are captioned by a prompt, as segmenters ask, in place of the scene's caption: without
            it the prompts' own words ("small", "scene", the full stop) stay random vectors.
        patches: weight of the same loss for the mean of the patches' own embeddings (the last block's value path), so that a
            place says what lies there; large CLIPs learn that from their data, a small one does not.
        lr, betas: of AdamW.
        weight_decay: of matrices; vectors and the temperature have none.
        schedule: of the learning rate, over all phases.
        highest_scale: bound on the temperature's factor, as in CLIP (Radford et al., 2021, section 2.5).
        bf16: the towers run in bfloat16 by autocast; losses and weights are float32.
        regions: the second stage; None leaves it and the third out.
        scenes: the third stage; None leaves it out.
    """

    size: ClipSize = TINY
    steps: int = 9000
    groups: int = 3
    phases: tuple[ClipPhase, ...] = COARSE_TO_FINE
    crop_pools: tuple[tuple[int, int], ...] = CROP_POOLS
    scene_pool: int = 3000
    zoom: tuple[float, float] = (1.0, 1.8)
    shift: float = 0.1
    window: tuple[int, int] = (64, 96)
    prompts: float = 0.2
    patches: float = 0.5
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    schedule: Schedule = Schedule("cosine", warmup=100, warmup_factor=0.01)  # noqa: RUF009 (frozen)
    highest_scale: float = 100.0
    bf16: bool = True
    regions: ClipRegions | None = ClipRegions()
    scenes: ClipScenes | None = ClipScenes()

    def stage_steps(self) -> tuple[int, ...]:
        """Steps of the stages there are."""
        if self.regions is None:
            return (self.steps,)
        first = (self.steps, self.regions.steps)
        return first if self.scenes is None else (*first, self.scenes.steps)

    def phase(self, step: int) -> ClipPhase:
        """The phase that a step, counted from 0, is in."""
        end = 0.0
        for phase in self.phases:
            end += phase.share
            if step < round(end * self.steps):
                return phase
        return self.phases[-1]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


RECIPES: Final = {"shapes": ClipRecipe()}
