"""What the small CLIP's second stage sees: collages, bare objects, and the captions that belong to their parts."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from benchbed.clip_sizes import ClipSize
from benchbed.datasets.shapes import CLASSES
from benchbed.datasets.shapes.random_stream import Stream
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from benchbed.progress import Reporter
from benchbed.training import clip_bare
from benchbed.training.clip_bare import bare_object
from benchbed.training.clip_batches import GROUP, ClipBatches, RegionBatch
from benchbed.training.clip_collages import LEAST, PATCH, cells, collage
from benchbed.training.clip_pool import Crop, Pool, draw_pool
from benchbed.training.clip_recipe import ClipRecipe, ClipRegions

SMALL = ClipSize(embed_dim=32, image_size=32, patch=8, width=64, layers=1, text_width=64, text_layers=1)
REGIONS = ClipRegions(steps=2)
RECIPE = ClipRecipe(size=SMALL, crop_pools=((64, 40), (96, 20)), scene_pool=0, regions=REGIONS, scenes=None)
PAPER = np.array(CLIP_MEAN).round()


@pytest.fixture(scope="module")
def pool() -> Pool:
    return draw_pool(RECIPE, Reporter(Console(file=io.StringIO())))


def painted(colour: Iterable[int], side: int, shape: str, ground: Iterable[int] = (0, 255, 0)) -> Crop:
    """A square or a disc of one colour in the middle of a ground."""
    down, across = (axis - (side - 1) / 2 for axis in np.ogrid[:side, :side])
    far = np.maximum(abs(down), abs(across)) if shape == "square" else np.hypot(down, across)
    outline = far < side / 4
    image = np.where(outline[..., None], np.array([*colour]), np.array([*ground])).astype(np.uint8)
    rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Crop(image, box, "", np.packbits(outline, axis=1))


# Collages.


@pytest.mark.parametrize("size", REGIONS.sizes)
def test_cells_share_the_picture_out_and_none_is_small(size: tuple[int, int]) -> None:
    made = [tuple(cells(*size, 4, Stream.of("test", seed))) for seed in range(40)]
    assert len(set(made)) > 20
    for found in made:
        covered = np.zeros(size, int)
        for top, left, bottom, right in found:
            covered[top:bottom, left:right] += 1
            assert min(bottom - top, right - left) >= LEAST == 40
            assert not top % PATCH
            assert not left % PATCH
        assert len(found) == 4
        assert (covered == 1).all()


def test_too_many_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="64 x 128 pixels have no room for 4 cells of 40 pixels a side"):
        cells(64, 128, 4, Stream.of("test", 0))


@pytest.mark.parametrize("seed", range(12))
def test_each_cell_shows_its_crop_and_its_region_lies_inside(seed: int) -> None:
    """Crops of one colour each: every cell has its own to the last pixel."""
    colours = [(10, 20, 30), (200, 0, 0), (0, 90, 250), (255, 255, 0)]
    crops = [
        painted(colour, side, "disc", colour) for colour, side in zip(colours, (64, 96, 64, 96), strict=True)
    ]
    height, width = REGIONS.sizes[seed % 4]
    stream = Stream.of("test collage", seed)
    found = collage(crops, height, width, stream)
    assert found.image.shape == (3, height, width)
    assert found.regions.shape == (4, height * width // PATCH**2)
    for colour, region, (top, left, bottom, right) in zip(
        colours, found.regions, cells(height, width, 4, stream.child("cells")), strict=True
    ):
        shown = found.image[:, top:bottom, left:right].flatten(1)
        torch.testing.assert_close(shown, torch.tensor(colour).float()[:, None].expand_as(shown))
        inside = torch.zeros(height // PATCH, width // PATCH, dtype=torch.bool)
        inside[top // PATCH : bottom // PATCH, left // PATCH : right // PATCH] = True
        assert region.any()
        assert not (region & ~inside.flatten()).any()


@pytest.mark.parametrize("seed", range(12))
def test_a_region_holds_its_object_to_a_great_part(seed: int) -> None:
    """Black objects on white: a region is darker than its cell, unless it is all of it."""
    crops = [painted((0, 0, 0), 64, "disc", (255, 255, 255))] * 4
    stream = Stream.of("test objects", seed)
    found = collage(crops, 128, 160, stream)
    dark = torch.nn.functional.avg_pool2d(255 - found.image[:1], PATCH).flatten()
    for region, (top, left, bottom, right) in zip(
        found.regions, cells(128, 160, 4, stream.child("cells")), strict=True
    ):
        cell = (255 - found.image[0, top:bottom, left:right]).mean()
        assert dark[region].mean() >= 0.95 * cell


# Bare objects.


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_clips_mean_colour_lies_around_a_bare_object(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pixel lies between the object's colour and the paper's: neither ground nor the other object can be seen, where the
    object is not cut out roughly.
    """
    monkeypatch.setattr(clip_bare, "_roughly", lambda shown, _: shown)
    colour, other = np.array((250, 110, 20)), painted((0, 0, 255), 64, "disc", (255, 0, 255))
    shown = bare_object(painted(colour, 64, "disc"), other, 40, Stream.of("test bare", seed))
    pixels = (
        (shown * torch.tensor(CLIP_STD).view(3, 1, 1) + torch.tensor(CLIP_MEAN).view(3, 1, 1))
        .double()
        .numpy()
    )
    way = colour - PAPER
    share = np.einsum("chw,c->hw", pixels - PAPER[:, None, None], way) / (way @ way)
    np.testing.assert_allclose(pixels, PAPER[:, None, None] + share * way[:, None, None], atol=1e-2)
    assert share.min() > -1e-3
    assert share.max() == pytest.approx(1, abs=1e-3)
    assert min(share[edge].max() for edge in (0, -1)) > 0, "cut off tightly"
    assert min(share[:, edge].max() for edge in (0, -1)) > 0


@pytest.mark.parametrize("seed", range(8))
def test_a_rough_mask_is_near_the_outline_and_has_no_islands(seed: int) -> None:
    shown = painted((255, 255, 255), 64, "disc").outline()
    rough = clip_bare._roughly(shown, Stream.of("test rough", seed))
    assert rough.any()
    assert (rough & shown).sum() / (rough | shown).sum() > 0.6
    assert (rough != shown).any()
    rows, columns = np.nonzero(shown)
    around = np.zeros_like(shown)
    around[max(0, rows.min() - 8) : rows.max() + 9, max(0, columns.min() - 8) : columns.max() + 9] = True
    assert not (rough & ~around).any()


def test_some_lie_behind_others_but_never_more_than_half() -> None:
    square, front = painted((255, 255, 255), 64, "square"), painted((0, 0, 0), 64, "disc")
    hidden = []
    for seed in range(60):
        shown = bare_object(square, front, 40, Stream.of("test behind", seed))
        grey = (shown * torch.tensor(CLIP_STD).view(3, 1, 1)).mean((1, 2)) / (255 - torch.tensor(CLIP_MEAN))
        hidden.append(1 - float(grey.mean()))
    assert max(hidden) < 0.52
    assert 0.1 < np.mean(np.array(hidden) > 0.02) < 0.9


def test_an_outline_fills_its_box(pool: Pool) -> None:
    for crops in pool.crops:
        for crop in crops:
            rows, columns = (np.flatnonzero(crop.outline().any(axis)) for axis in (1, 0))
            assert crop.outline().shape == crop.image.shape[:2]
            assert crop.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


# Steps.


def classes_in(captions: Iterable[str]) -> list[str]:
    return [next(name for name in CLASSES if name in caption) for caption in captions]


def equal(one: RegionBatch, two: RegionBatch) -> bool:
    tensors = [
        torch.equal(getattr(one, each), getattr(two, each)) for each in ("images", "collages", "regions")
    ]
    return all(tensors) and (one.captions, one.region_captions) == (two.captions, two.region_captions)


@pytest.mark.parametrize("collages", [5, 10])
def test_each_group_names_each_class_once(pool: Pool, collages: int) -> None:
    batch = ClipBatches(pool, RECIPE, 0).region_step(3, replace(REGIONS, collages=collages))
    assert batch.images.shape == (GROUP, 3, 32, 32)
    assert classes_in(batch.captions) == list(CLASSES)
    height, width = batch.collages.shape[2:]
    assert (height, width) in REGIONS.sizes
    assert batch.regions.shape == (collages, 4, height * width // PATCH**2)
    assert batch.regions.any(2).all()
    named = classes_in(batch.region_captions)
    groups = [named[first : first + GROUP] for first in range(0, 4 * collages, GROUP)]
    assert all(sorted(group) == sorted(CLASSES) for group in groups)
    assert all(group != list(CLASSES) for group in groups), "drawn in another order"


def test_a_step_is_a_function_of_seed_and_number(pool: Pool) -> None:
    late = ClipBatches(pool, RECIPE, 5)
    for number in (12, 0, 11):
        assert equal(
            late.region_step(number, REGIONS), ClipBatches(pool, RECIPE, 5).region_step(number, REGIONS)
        )
    assert not equal(late.region_step(0, REGIONS), late.region_step(1, REGIONS))
    assert not equal(late.region_step(0, REGIONS), ClipBatches(pool, RECIPE, 6).region_step(0, REGIONS))


def test_bare_ones_are_as_frequent_as_asked(pool: Pool) -> None:
    """Known by a pixel of exactly the paper's colour, which no other picture has and not every bare object leaves."""
    paper = (torch.tensor(PAPER).float() - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)
    found = {}
    for share in (0.0, 0.5, 1.0):
        steps = [ClipBatches(pool, RECIPE, 1).region_step(n, replace(REGIONS, bare=share)) for n in range(6)]
        images = torch.cat([step.images for step in steps])
        near = (images - paper.view(3, 1, 1)).abs().amax(1) < 1e-3
        found[share] = float(near.flatten(1).any(1).float().mean())
    assert found[0.0] == 0
    assert found[1.0] > 0.8
    assert found[0.5] == pytest.approx(found[1.0] / 2, abs=0.12)
