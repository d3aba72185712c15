"""The small CLIP's third stage: which patches a scene's objects take, the loss of naming them, who learns, and when."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console

from benchbed.clip_sizes import ClipSize
from benchbed.datasets.shapes import scene
from benchbed.datasets.shapes.random_stream import Stream
from benchbed.input_spec import CLIP_MEAN, CLIP_STD
from benchbed.progress import Reporter
from benchbed.training.clip_batches import ClipBatches
from benchbed.training.clip_command import _shortened
from benchbed.training.clip_model import SmallClip
from benchbed.training.clip_pool import OutlinedScene, Pool, draw_pool, words_in_use
from benchbed.training.clip_recipe import RECIPES, ClipPhase, ClipRecipe, ClipRegions, ClipScenes
from benchbed.training.clip_regions import encode_regions
from benchbed.training.clip_scene_views import MOST, NOBODY, scene_views
from benchbed.training.clip_trainer import ClipTask, ClipTrainer, scene_loss
from benchbed.training.stopping import StopRequest

AT_ONCE = replace(RECIPES["shapes"].schedule, warmup=0)
PLAIN = ClipScenes(
    steps=3,
    pool=6,
    views=3,
    sides=(64, 96),
    by_class=0,
    touched=1,
    rough=0,
    regions_every=2,
    schedule=AT_ONCE,
)
RECIPE = ClipRecipe(
    size=ClipSize(embed_dim=32, image_size=32, patch=8, width=64, layers=2, text_width=64, text_layers=1),
    steps=1,
    groups=1,
    phases=(ClipPhase(1.0, 32, 0),),
    crop_pools=((64, 40),),
    scene_pool=0,
    schedule=AT_ONCE,
    bf16=False,
    regions=ClipRegions(steps=1, sizes=((80, 96),), schedule=AT_ONCE),
    scenes=PLAIN,
)
CPU = torch.device("cpu")
QUIET = Reporter(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return draw_pool(RECIPE, QUIET)


def blocks() -> OutlinedScene:
    """64 x 64: object 1 (class 7) fills two patches and a column of a third; 2 (class 7) a corner; 3 nine pixels."""
    ids = np.zeros((64, 64), np.uint8)
    ids[8:16, 8:25] = 1
    ids[48:, 48:] = 2
    ids[0:3, 40:43] = 3
    return OutlinedScene(200 * np.dstack([ids == k for k in (1, 2, 3)]).astype(np.uint8), ids, (7, 7, 9))


def seen_of(scenes: ClipScenes, number: int = 40) -> list[tuple[torch.Tensor, torch.Tensor, list[int]]]:
    """Images, regions and classes of `blocks` alone, view by view."""
    one = replace(scenes, views=1, sides=(64,))
    made = [scene_views([blocks()], one, Stream.of("test", k)) for k in range(number)]
    return [(each.images[0], each.regions[0], each.classes.tolist()) for each in made]


def test_a_region_is_the_patches_that_its_object_touches() -> None:
    asked, (mean, std) = 0, (torch.tensor(each).view(3, 1, 1) for each in (CLIP_MEAN, CLIP_STD))
    for image, regions, classes in seen_of(PLAIN):
        of_object = (image * std + mean)[:2]  # object 1 is red, object 2 is green
        most, some = (F.max_pool2d((of_object > level).float(), 8).flatten(1) > 0 for level in (195, 2))
        for region in regions[: classes.index(NOBODY)]:
            mine = int((most & region).sum(1).argmax())
            assert bool((region | ~most[mine]).all())
            assert bool((some[mine] | ~region).all())
            asked += 1
    assert asked > 20


def test_small_objects_are_not_asked_for_and_batches_are_filled_up() -> None:
    for _, regions, classes in seen_of(PLAIN):
        assert regions.shape == (MOST, 64)
        assert len(classes) == MOST
        assert regions.any(1).all()
        assert 9 not in classes
        assert set(classes) <= {7, NOBODY}


def test_classes_may_be_asked_for_as_one_region() -> None:
    alone = {classes.count(7) for _, _, classes in seen_of(PLAIN)}
    together = {classes.count(7) for _, _, classes in seen_of(replace(PLAIN, by_class=1))}
    assert 2 in alone
    assert together <= {0, 1}


def test_filled_regions_are_smaller_than_touched_ones_and_rough_ones_differ_at_the_edge() -> None:
    touched, filled, rough = (
        torch.stack([regions for _, regions, _ in seen_of(scenes)])
        for scenes in (PLAIN, replace(PLAIN, touched=0), replace(PLAIN, rough=1))
    )
    assert bool((touched | ~filled).all())
    assert filled.sum() < touched.sum()
    assert bool((rough != touched).any())
    near = F.max_pool2d(touched.view(-1, 1, 8, 8).float(), 3, 1, 1).view_as(touched) > 0
    assert bool((near | ~rough).all())


def test_values_are_weighed_by_a_smooth_field_or_not_at_all() -> None:
    kinds = set()
    for share in (0.0, 0.5, 1.0):
        one = replace(PLAIN, views=40, sides=(64,), covered=share, cover=(0.5, 2.0))
        cover = scene_views([blocks()], one, Stream.of("test", 1)).cover.view(40, 8, 8)
        plain = (cover == 1).flatten(1).all(1)
        kinds.add((share, bool(plain.all()), bool(plain.any())))
        assert 0.5 <= float(cover.min()) <= float(cover.max()) <= 2
        assert float(cover.diff(dim=1).abs().max()) < 1.5 * 3 / 7 + 1e-4
    assert kinds == {(0.0, True, True), (0.5, False, True), (1.0, False, False)}


def test_a_step_sees_the_same_whenever_it_is_asked_for(pool: Pool) -> None:
    first, again, other = (ClipBatches(pool, RECIPE, 4).scene_step(k, PLAIN) for k in (2, 2, 3))
    assert torch.equal(first.views.images, again.views.images)
    assert torch.equal(first.views.regions, again.views.regions)
    assert first.sentences == again.sentences
    assert first.views.images.shape != other.views.images.shape or not torch.equal(
        first.views.images, other.views.images
    )
    assert len(set(first.sentences)) == 20


def test_the_pool_holds_what_the_train_split_shows(pool: Pool) -> None:
    assert len(pool.scenes) == PLAIN.pool
    drawn = scene(3, "train")
    assert np.array_equal(pool.scenes[3].image, drawn.image)
    assert pool.scenes[3].classes == tuple(each.class_id for each in drawn.instances)
    labels = np.array([255, *pool.scenes[3].classes])[pool.scenes[3].ids]
    assert np.array_equal(labels, drawn.labels)


def test_the_loss_is_the_mean_over_named_regions_alone(pool: Pool) -> None:
    torch.manual_seed(0)
    clip = SmallClip(RECIPE.size, words_in_use(RECIPE))
    batch = ClipBatches(pool, RECIPE, 1).scene_step(0, PLAIN)
    found = scene_loss(clip, batch, CPU, RECIPE)
    texts = F.normalize(clip.encode_text(clip.tokens(batch.sentences)), dim=-1)
    views = batch.views
    named, patches = encode_regions(clip.visual, views.images, views.regions, views.cover)
    expected = 0.0
    for features, weight in ((named, 1.0), (patches, 0.5)):
        terms = [
            -torch.log_softmax(clip.logit_scale.exp() * F.normalize(one, dim=0) @ texts.T, 0)[label]
            for one, label in zip(features, batch.views.classes.tolist(), strict=True)
            if label != NOBODY
        ]
        expected += weight * torch.stack(terms).mean().item()
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_nobody_to_name_is_no_loss_and_no_recipe_is_an_error(pool: Pool) -> None:
    clip = SmallClip(RECIPE.size, words_in_use(RECIPE))
    batch = ClipBatches(pool, RECIPE, 1).scene_step(0, PLAIN)
    nobody = replace(batch, views=replace(batch.views, classes=torch.full_like(batch.views.classes, NOBODY)))
    assert scene_loss(clip, nobody, CPU, RECIPE).item() == 0
    with pytest.raises(ValueError, match="no third stage"):
        scene_loss(clip, batch, CPU, replace(RECIPE, scenes=None))


def test_all_three_stages_run_and_texts_stay_after_the_first(pool: Pool, tmp_path: Path) -> None:
    task = ClipTask(RECIPE, tmp_path, 0, CPU, val_every=100, save_every=1, facts={})
    trainer = ClipTrainer(task, pool, QUIET)
    seen: list[tuple[int, dict[str, torch.Tensor]]] = []
    keep = trainer._keep

    def kept(at: object) -> None:
        seen.append((at.stage, {name: value.clone() for name, value in trainer.clip.state_dict().items()}))  # type: ignore[attr-defined]
        keep(at)  # type: ignore[arg-type]

    trainer._keep = kept  # type: ignore[method-assign]
    trainer.measure = lambda side=None, crops=None: _Nothing()  # type: ignore[method-assign, assignment, return-value]
    trainer.train(StopRequest())
    stages = [stage for stage, _ in seen]
    assert sorted(set(stages)) == [0, 1, 2]
    assert stages.count(2) >= PLAIN.steps
    first = next(state for stage, state in seen if stage == 0)
    last = seen[-1][1]
    for name in last:
        changed = not torch.equal(first[name], last[name])
        assert changed == name.startswith("visual."), name


class _Nothing:
    """A measurement that says nothing."""

    top1 = unseen = texture = shape = 0.0

    def as_dict(self) -> dict[str, float]:
        return {}


def test_fewer_steps_shorten_the_third_stage_too() -> None:
    assert _shortened(RECIPES["shapes"], 40).stage_steps() == (40, 40, 40)
    assert replace(RECIPES["shapes"], scenes=None).stage_steps() == (9000, 6000)
