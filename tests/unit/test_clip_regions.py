"""The small CLIP's second stage: what is said of regions, each by itself, who learns, and going on across the stages."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from benchbed.clip import ImageTower
from benchbed.clip_sizes import ClipSize
from benchbed.progress import Reporter
from benchbed.training.clip_batches import ClipBatches
from benchbed.training.clip_command import _shortened
from benchbed.training.clip_model import SmallClip
from benchbed.training.clip_pool import Pool, draw_pool, words_in_use
from benchbed.training.clip_recipe import RECIPES, ClipPhase, ClipRecipe, ClipRegions
from benchbed.training.clip_regions import encode_regions, region_mask
from benchbed.training.clip_trainer import ClipTask, ClipTrainer, region_loss
from benchbed.training.stopping import StopRequest, TrainingInterrupted
from methods.deop.clip_pass import severed_block

DEEP = ClipSize(embed_dim=32, image_size=32, patch=8, width=128, layers=4, text_width=64, text_layers=1)
SMALL = replace(DEEP, width=64, layers=2)
RECIPE = ClipRecipe(
    size=SMALL,
    steps=2,
    groups=1,
    phases=(ClipPhase(1.0, 32, 0),),
    crop_pools=((64, 40),),
    scene_pool=0,
    schedule=replace(RECIPES["shapes"].schedule, warmup=0),
    bf16=False,
    regions=ClipRegions(steps=2, sizes=((80, 96),), schedule=replace(ClipRegions().schedule, warmup=0)),
    scenes=None,
)
CPU = torch.device("cpu")
QUIET = Reporter(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return draw_pool(RECIPE, QUIET)


def some_regions(seed: int, batch: int = 2, count: int = 3, patches: int = 20) -> Tensor:
    """[batch, count, patches], none empty; the last one is the whole picture."""
    regions = torch.rand(batch, count, patches, generator=torch.Generator().manual_seed(seed)) < 0.3
    regions[:, :, seed % patches] = True
    regions[:, -1] = True
    return regions


# What is said of a region.


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_says_who_sees_whom(seed: int) -> None:
    regions = some_regions(seed)
    mask = region_mask(regions)
    batch, count, patches = regions.shape
    length = count + 1 + patches
    assert mask.shape == (batch, length, length)
    for image in range(batch):
        for row in range(length):
            for column in range(length):
                if row < count:  # a region's own token
                    patch = column - count - 1
                    seen = row == column or (patch >= 0 and bool(regions[image, row, patch]))
                else:  # the picture's token and its patches
                    seen = column >= count
                assert float(mask[image, row, column]) == (0 if seen else -100)


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_a_regions_embeddings_one_region_at_a_time(seed: int) -> None:
    """Through open_clip's own blocks: from the second on, a token beside the region's patches alone, as the picture has them."""
    torch.manual_seed(seed)
    visual: ImageTower = ImageTower(DEEP).eval()
    images, regions = torch.randn(2, 3, 32, 40), some_regions(seed)
    named, patches = encode_regions(visual, images, regions)
    expected_named, expected_patches = [], []
    blocks = visual.transformer.resblocks
    for image, three in zip(images, regions, strict=True):
        whole, _ = visual.tokens(image[None])
        history = [whole := blocks[0](whole)]
        for block in blocks[1:-1]:
            history.append(whole := block(whole))
        local = F.normalize(visual.dense(image[None]).flatten(2)[0], dim=0)
        for region in three:
            token = history[0][:, :1]
            for block, context in zip(blocks[1:], history, strict=True):
                token = block(torch.cat([token, context[:, 1:][:, region]], 1))[:, :1]
            expected_named.append((visual.ln_post(token) @ visual.proj)[0, 0])
            expected_patches.append(local[:, region].mean(1))
    torch.testing.assert_close(named, torch.stack(expected_named), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(patches, torch.stack(expected_patches), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_cover_weighs_the_values_of_the_last_block_as_deop_does() -> None:
    torch.manual_seed(0)
    visual: ImageTower = ImageTower(DEEP).eval()
    images, regions, cover = torch.randn(2, 3, 32, 40), some_regions(0), 3 * torch.rand(2, 20)
    named, patches = encode_regions(visual, images, regions, cover)
    plain = encode_regions(visual, images, regions, torch.ones_like(cover))
    torch.testing.assert_close(plain, encode_regions(visual, images, regions))
    assert torch.equal(named, plain[0])
    *early, last = visual.transformer.resblocks
    tokens, _ = visual.tokens(images)
    for block in early:
        tokens = block(tokens)
    severed = visual.ln_post(severed_block(last, tokens[:, 1:], cover)) @ visual.proj
    local = F.normalize(severed, dim=-1)
    means = [each[region].mean(0) for each, three in zip(local, regions, strict=True) for region in three]
    torch.testing.assert_close(patches, torch.stack(means), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_region_of_everything_is_the_picture() -> None:
    """In a tower of two blocks, of which the last alone tells regions apart: there a region sees what the picture sees."""
    torch.manual_seed(0)
    visual: ImageTower = ImageTower(SMALL).eval()
    images = torch.randn(2, 3, 32, 32)
    named, _ = encode_regions(visual, images, torch.ones(2, 1, 16, dtype=torch.bool))
    torch.testing.assert_close(named, visual(images), rtol=1e-4, atol=1e-5)


# The loss.


def crossed(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """The contrastive loss of one group, by its definition."""
    logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    right = torch.arange(len(images))
    return -torch.stack([side.log_softmax(1)[right, right].mean() for side in (logits, logits.T)]).mean()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_is_of_plain_cross_entropies_and_teaches_no_text(pool: Pool, weight: float) -> None:
    torch.manual_seed(1)
    clip = SmallClip(SMALL, words_in_use(RECIPE))
    assert RECIPE.regions is not None
    stage = replace(RECIPE.regions, patches=weight)
    recipe = replace(RECIPE, regions=stage)
    batch = ClipBatches(pool, recipe, 0).region_step(1, stage)
    found = region_loss(clip, batch, CPU, recipe)
    with torch.no_grad():
        alone, regions = (clip.encode_text(clip.tokens(c)) for c in (batch.captions, batch.region_captions))
        named, patches = encode_regions(clip.visual, batch.collages, batch.regions)
        scale = clip.logit_scale.exp()
        expected = crossed(clip.encode_image(batch.images), alone, scale)
        expected = expected + crossed(named, regions, scale) + weight * crossed(patches, regions, scale)
    assert found.item() == pytest.approx(float(expected), rel=1e-4)
    found.backward()
    for name, parameter in clip.named_parameters():
        if name != "logit_scale":
            assert (parameter.grad is not None) == name.startswith("visual."), name


def test_a_recipe_without_a_second_stage_has_no_such_loss(pool: Pool) -> None:
    assert RECIPE.regions is not None
    batch = ClipBatches(pool, RECIPE, 0).region_step(0, RECIPE.regions)
    clip = SmallClip(SMALL, words_in_use(RECIPE))
    with pytest.raises(ValueError, match="no second stage"):
        region_loss(clip, batch, CPU, replace(RECIPE, regions=None))


# The training.


@pytest.fixture
def trainer(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ClipTrainer]:
    """A trainer in a folder of its own; nobody measures."""
    monkeypatch.setattr(ClipTrainer, "_beside", lambda *_: None)

    def made(recipe: ClipRecipe, folder: str) -> ClipTrainer:
        (tmp_path / folder).mkdir(exist_ok=True)
        return ClipTrainer(ClipTask(recipe, tmp_path / folder, 0, CPU, 250, 250, {}), pool, QUIET)

    return made


def weights(trainer: ClipTrainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trainer.clip.state_dict().items()}


def test_the_second_stage_moves_the_image_tower_alone(trainer: Callable[..., ClipTrainer]) -> None:
    first, both = trainer(replace(RECIPE, regions=None), "first"), trainer(RECIPE, "both")
    for each in (first, both):
        each.train(StopRequest())
    before, after = weights(first), weights(both)
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {name for name, _ in both.clip.named_parameters() if name.startswith("visual.")}
    assert "logit_scale" in before
    assert not torch.equal(before["logit_scale"], weights(trainer(RECIPE, "new"))["logit_scale"])


def test_stopped_after_every_step_it_ends_with_the_same_weights(trainer: Callable[..., ClipTrainer]) -> None:
    """Also between the stages, where the optimiser's memory ends."""
    straight = trainer(RECIPE, "straight")
    straight.train(StopRequest())
    request = StopRequest()
    request.asked = True
    for step in (1, 2, 1, 2):
        with pytest.raises(TrainingInterrupted, match=f"after step {step} of 2.*--resume"):
            trainer(RECIPE, "halting").train(request)
    last = trainer(RECIPE, "halting")
    last.train(StopRequest())
    expected = weights(straight)
    assert all(torch.equal(value, expected[name]) for name, value in weights(last).items())


def test_fewer_iterations_shorten_both_stages_and_their_warm_ups() -> None:
    whole = replace(RECIPES["shapes"], scenes=None)
    assert whole.regions is not None
    for steps in (90, whole.regions.steps + 500, whole.steps):
        found = _shortened(whole, steps)
        assert found.regions is not None
        assert found.stage_steps() == (min(steps, whole.steps), min(steps, whole.regions.steps))
        assert found.schedule.warmup == 100 * min(steps, whole.steps) // whole.steps
        assert found.regions.schedule.warmup == 100 * min(steps, whole.regions.steps) // whole.regions.steps
    assert _shortened(replace(whole, regions=None), 90).stage_steps() == (90,)
