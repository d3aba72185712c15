"""Training a small CLIP with open_clip's own loss: the loop, its state, and going on with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from open_clip.loss import ClipLoss
from torch import Tensor, nn

from benchbed.progress import Reporter, Tick
from benchbed.training.clip_batches import GROUP, ClipBatch, ClipBatches, RegionBatch, SceneBatch
from benchbed.training.clip_model import SmallClip
from benchbed.training.clip_pool import Pool, words_in_use
from benchbed.training.clip_recipe import ClipRecipe
from benchbed.training.clip_regions import encode_regions
from benchbed.training.clip_scene_views import NOBODY
from benchbed.training.clip_zero_shot import ZeroShot, ZeroShotTest
from benchbed.training.loss_log import LossLog
from benchbed.training.schedules import rate_factor
from benchbed.training.seeds import generators_kept, seed_of, sow
from benchbed.training.state import Position, newest_state, restore_optimiser, save_state
from benchbed.training.stopping import StopRequest, TrainingFailed, TrainingInterrupted

LINE_EVERY: Final = 20  # steps a line of losses.jsonl
WATCHED: Final = 400  # val crops that are looked at during training
WHOLE, REGIONS, SCENES = 0, 1, 2  # the stages
_NAMES: Final = {WHOLE: "clip", REGIONS: "clip, regions", SCENES: "clip, scenes"}
_WEIGHTS: Final = 1  # purpose of the seed that the first weights are drawn from


@dataclass(frozen=True)
class ClipTask:
    """What to train, and how often to do what beside it.

    Attributes:
        recipe: with `steps` as asked for.
        folder: where state and log lie.
        seed: of weights and batches.
        device: where.
        val_every, save_every: steps.
        facts: for the state's JSON.
    """

    recipe: ClipRecipe
    folder: Path
    seed: int
    device: torch.device
    val_every: int
    save_every: int
    facts: Mapping[str, Any]


def first_weights(recipe: ClipRecipe, seed: int) -> SmallClip:
    """The CLIP before its first step."""
    with generators_kept():
        sow(seed_of(seed, _WEIGHTS))
        return SmallClip(recipe.size, words_in_use(recipe))


def group_loss(clip: SmallClip, batch: ClipBatch, device: torch.device, recipe: ClipRecipe) -> Tensor:
    """open_clip's contrastive loss of each group of 20 pairs for itself, averaged: a scalar, float32.

    The mean of an image's patches is held against the texts too, with the weight `recipe.patches`.
    """
    tokens = clip.tokens(batch.captions)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
        whole, patches = clip.encode_image_and_patches(batch.images.to(device))
        texts = clip.encode_text(tokens)
    scale = clip.logit_scale.exp()
    return _contrast(whole, texts, scale) + recipe.patches * _contrast(patches, texts, scale)


def region_loss(clip: SmallClip, batch: RegionBatch, device: torch.device, recipe: ClipRecipe) -> Tensor:
    """The second stage's loss: single objects, and regions of collages, each against the captions of its group of 20.

    Raises:
        ValueError: the recipe has no second stage.
    """
    if recipe.regions is None:
        raise ValueError("the recipe has no second stage")
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
        alone = clip.encode_image(batch.images.to(device))
        named, patches = encode_regions(clip.visual, batch.collages.to(device), batch.regions.to(device))
        with torch.no_grad():
            texts = clip.encode_text(clip.tokens((*batch.captions, *batch.region_captions)))
    scale, ours = clip.logit_scale.exp(), texts[GROUP:]
    of_regions = _contrast(named, ours, scale) + recipe.regions.patches * _contrast(patches, ours, scale)
    return _contrast(alone, texts[:GROUP], scale) + of_regions


def scene_loss(clip: SmallClip, batch: SceneBatch, device: torch.device, recipe: ClipRecipe) -> Tensor:
    """The third stage's loss: each region of a scene against a sentence about each class, a scalar, float32.

    Half of CLIP's contrastive loss, images against texts: scenes show classes unequally often, so that there is no pairing.

    Raises:
        ValueError: the recipe has no third stage.
    """
    if recipe.scenes is None:
        raise ValueError("the recipe has no third stage")
    images, regions = batch.views.images.to(device), batch.views.regions.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
        named, patches = encode_regions(clip.visual, images, regions, batch.views.cover.to(device))
        with torch.no_grad():
            texts = clip.encode_text(clip.tokens(batch.sentences))
    scale, classes = clip.logit_scale.exp(), batch.views.classes.to(device)
    return _told_apart(named, texts, scale, classes) + recipe.scenes.patches * _told_apart(
        patches, texts, scale, classes
    )


def _told_apart(regions: Tensor, texts: Tensor, scale: Tensor, classes: Tensor) -> Tensor:
    regions, texts = F.normalize(regions.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    each = F.cross_entropy(scale * regions @ texts.T, classes, ignore_index=NOBODY, reduction="sum")
    return each / (classes != NOBODY).sum().clamp(min=1)  # a step may show nobody


def _contrast(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    images, texts = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    criterion = ClipLoss()
    groups = zip(images.split(GROUP), texts.split(GROUP), strict=True)
    return torch.stack([criterion(image, text, scale) for image, text in groups]).mean()


class ClipTrainer:
    """One training of one CLIP.

    Args:
        task: what.
        pool: what it sees.
        reporter: where progress goes.
    """

    def __init__(self, task: ClipTask, pool: Pool, reporter: Reporter) -> None:
        self.task, self.reporter = task, reporter
        self.clip = first_weights(task.recipe, task.seed).to(task.device)
        self.batches = ClipBatches(pool, task.recipe, task.seed)
        self.optimiser = OptimWrapper(_adamw(self.clip, task.recipe))
        self.test = ZeroShotTest()
        self.log = LossLog(task.folder, LINE_EVERY)

    def train(self, request: StopRequest) -> None:
        """From where the folder's state is, or from the beginning, to the last step of the last stage.

        Raises:
            TrainingInterrupted: somebody asked to stop; the state is kept.
            TrainingFailed: the loss is no number; the last state is kept.
            CheckpointError: all states in the folder are damaged.
            StoreError: the folder cannot be written.
        """
        at, stages = self._restore(), self.task.recipe.stage_steps()
        for stage in range(at.stage, len(stages)):
            self._begin(stage, fresh=stage != at.stage or at.done == 0)
            self._stage(stage, at.done if stage == at.stage else 0, stages[stage], request)

    def _stage(self, stage: int, done: int, steps: int, request: StopRequest) -> None:
        self.clip.train()
        with self.reporter.task(_NAMES[stage], steps, done) as tick:
            for number in range(done, steps):
                self._step(Position(stage, number + 1), steps, tick)
                if request.asked:
                    self._keep(Position(stage, number + 1))
                    raise TrainingInterrupted(
                        f"interrupted after step {number + 1} of {steps}; the state is kept: run the same command with "
                        "--resume to go on"
                    )

    def _begin(self, stage: int, fresh: bool) -> None:
        """What learns in a stage; a stage that has not begun has an optimiser without memory."""
        for name, parameter in self.clip.named_parameters():
            parameter.requires_grad_(stage == WHOLE or name.startswith("visual."))
        if fresh:
            self.optimiser = OptimWrapper(_adamw(self.clip, self.task.recipe))

    def measure(self, side: int | None = None, crops: int | None = None) -> ZeroShot:
        """Zero-shot accuracy of the weights as they are, at the CLIP's own size, or at another one, on so many crops."""
        self.clip.eval()
        found = self.test.measure(
            self.clip, side or self.task.recipe.size.image_size, self.task.device, crops
        )
        self.clip.train()
        return found

    def _step(self, at: Position, steps: int, tick: Tick) -> None:
        """The step that ends at `at`."""
        rate = self._rate(at, steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss(at)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingFailed(
                f"step {at.done}: the loss is {value}; nothing was updated; the last state is kept"
            )
        self.optimiser.update_params(loss)
        with torch.no_grad():
            self.clip.logit_scale.clamp_(max=math.log(self.task.recipe.highest_scale))
        self.log.add(at, {"loss": value}, rate, at.done == steps)
        tick(at.done)
        self._beside(at, steps)

    def _rate(self, at: Position, steps: int) -> float:
        recipe = self.task.recipe
        part = {WHOLE: recipe, REGIONS: recipe.regions, SCENES: recipe.scenes}[at.stage] or recipe
        return part.lr * rate_factor(part.schedule, at.done - 1, steps)

    def _loss(self, at: Position) -> Tensor:
        recipe, number = self.task.recipe, at.done - 1
        if at.stage == WHOLE or recipe.regions is None:
            return group_loss(self.clip, self.batches.step(number), self.task.device, recipe)
        if at.stage == REGIONS or recipe.scenes is None:
            return region_loss(
                self.clip, self.batches.region_step(number, recipe.regions), self.task.device, recipe
            )
        views = self.batches.scene_step(number, recipe.scenes)
        loss = scene_loss(self.clip, views, self.task.device, recipe)
        if number % recipe.scenes.regions_every == 0:
            # Other pictures than the second stage's: it ended at the step before these.
            beside = self.batches.region_step(recipe.regions.steps + number, recipe.regions)
            loss = loss + region_loss(self.clip, beside, self.task.device, recipe)
        return loss

    def _beside(self, at: Position, steps: int) -> None:
        """What happens every so many steps."""
        if at.done % self.task.val_every == 0 or at.done == steps:
            recipe = self.task.recipe
            side = recipe.phase(at.done - 1).side if at.stage == WHOLE else recipe.size.image_size
            found = self.measure(side, WATCHED)
            self.log.note(at, {**found.as_dict(), "side": side})
            self.reporter.note(
                f"clip {at.done}: zero-shot top-1 {found.top1:.1f} %, of unseen classes {found.unseen:.1f} %, at {side} pixels "
                f"(texture {found.texture:.1f} %, shape {found.shape:.1f} %)"
            )
        if at.done % self.task.save_every == 0 or at.done == steps:
            self._keep(at)

    def _keep(self, at: Position) -> None:
        facts = {**self.task.facts, "pending": self.log.pending}
        save_state(self.task.folder, at, self.clip, self.optimiser, facts)

    def _restore(self) -> Position:
        """How far the training is."""
        state = newest_state(self.task.folder)
        if state is None:
            self.log.start(None)
            return Position(WHOLE, 0)
        self.clip.load_state_dict(state.model)
        self._begin(state.position.stage, fresh=True)
        restore_optimiser(self.optimiser, state)
        self.log.start(state.position, state.facts.get("pending"))
        return state.position


def _adamw(clip: nn.Module, recipe: ClipRecipe) -> torch.optim.AdamW:
    """Matrices, kernels and tables decay; biases, norms, the CLS token and the temperature do not (CLIP, section 2.5)."""
    named = [each for each in clip.named_parameters() if each[1].requires_grad]
    groups = [
        {
            "params": [parameter for _, parameter in part],
            "names": [name for name, _ in part],
            "weight_decay": decay,
        }
        for part, decay in (
            ([each for each in named if each[1].ndim > 1], recipe.weight_decay),
            ([each for each in named if each[1].ndim <= 1], 0.0),
        )
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas)
