"""Trains: stage after stage through mmengine's Runner, each from the weights of the one before, from where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import nn

from benchbed.datasets.dataset import Dataset
from benchbed.progress import Reporter, Tick
from benchbed.registry import resolve
from benchbed.segmenter import Segmenter
from benchbed.training.batches import batches
from benchbed.training.checkpoint import remove_checkpoint, write_checkpoint
from benchbed.training.folder import FINAL, stage_file
from benchbed.training.hooks import BeforeStep, Keeper, KeepState, LogLosses, Validate
from benchbed.training.kept_samples import KeptSamples
from benchbed.training.lesson import Lesson
from benchbed.training.loss_log import LossLog
from benchbed.training.mixed_precision import optimiser_wrapper
from benchbed.training.plan import TrainPlan
from benchbed.training.recipe import Stage
from benchbed.training.seeds import seed_of, sow
from benchbed.training.stage_runner import StageRunner
from benchbed.training.state import Position, State, newest_state, restore_optimiser, save_state, state_files
from benchbed.training.stopping import StopRequest, stop_requests

# Purposes of seeds (`seeds.seed_of`); iterations are (stage, iteration, process), so three numbers and never these.
_BUILD: Final = (0,)
_DATA, _BEGIN = 1, 2
LINES: Final = 200  # of losses a stage
MOST_ITERATIONS_A_LINE: Final = 50
SAVES: Final = 20  # of the state a stage
MOST_ITERATIONS_A_SAVE: Final = 1000


@dataclass
class Training:
    """A training under way.

    Attributes:
        facts: for every JSON.
        log: of losses.
        request: whether somebody asked to stop.
        data: the training split, all classes labelled.
    """

    plan: TrainPlan
    facts: dict[str, Any]
    reporter: Reporter
    log: LossLog
    request: StopRequest
    segmenter: Segmenter
    data: Dataset


def build(plan: TrainPlan) -> Segmenter:
    """The segmenter with the weights to start from, on the CPU; random ones are the seed's."""
    sow(seed_of(plan.request.seed, *_BUILD))
    segmenter: Segmenter = resolve(plan.chosen.variant.build)(**plan.config)
    plan.initial.give(segmenter)
    # Convolutions and norms run up to 2.6 times faster so on a processor, and no slower on a graphics card.
    segmenter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    card = plan.dataset.card
    return segmenter.set_input(plan.chosen.variant.input_for(card.name)).set_vocabulary(plan.vocabulary)


def train(plan: TrainPlan, facts: dict[str, Any], reporter: Reporter) -> Path:
    """Train to the end, going on from the newest state in `plan.out`.

    Returns:
        the final weights' path.

    Raises:
        TrainingInterrupted: SIGINT or SIGTERM; the state is kept.
        TrainingFailed: the loss is NaN or Inf; the last state is kept.
        DataError: a sample is bad; the last state is kept.
        StoreError: no room; the last state is kept.
    """
    state = newest_state(plan.out)
    log = LossLog(plan.out, _every(plan, LINES, MOST_ITERATIONS_A_LINE))
    if plan.processes.leads:
        log.start(state.position if state else None, state.facts["log"] if state else None)
    with stop_requests() as request:
        # The embedded dataset draws its scenes: once for all passes and stages.
        data = KeptSamples(plan.dataset) if plan.dataset.card.embedded else plan.dataset
        training = Training(plan, facts, reporter, log, request, build(plan), data)
        for number in range(len(plan.recipe.stages)):
            _stage(training, number, state)
    return _finish(training)


def _every(plan: TrainPlan, parts: int, most: int) -> int:
    """So many iterations that the shortest stage has about `parts` of them."""
    return max(1, min(most, min(stage.iterations for stage in plan.recipe.stages) // parts))


def _stage(training: Training, number: int, state: State | None) -> None:
    """Enter a stage and train what is left of it. Earlier stages than the state's are entered only: later ones build on them."""
    plan, stage = training.plan, training.plan.recipe.stages[number]
    enter(training.segmenter, stage, plan.request.seed, number)
    begun = state is not None and state.position.stage >= number
    if begun and state is not None and state.position.stage > number:
        return
    training.segmenter.to(plan.device)
    optimiser = optimiser_wrapper(training.segmenter, stage.optimiser, plan.amp, plan.device)
    done = 0
    if begun and state is not None:
        training.segmenter.load_state_dict(state.model)
        restore_optimiser(optimiser, state)
        done = state.position.done
        training.reporter.note(f"{plan.name}: going on after iteration {done} of stage {stage.name!r}")
    if done < stage.iterations:
        _run(training, number, optimiser, done)
    if number + 1 < len(plan.recipe.stages) and plan.processes.leads:
        facts = {**training.facts, "stage": stage.name, "iterations": stage.iterations}
        write_checkpoint(plan.out / stage_file(number, stage), training.segmenter.state_dict(), facts)


def enter(segmenter: Segmenter, stage: Stage, seed: int, number: int) -> None:
    """Tell a segmenter that a stage begins; what it draws then is the seed's."""
    sow(seed_of(seed, _BEGIN, number))
    segmenter.train()
    segmenter.begin_stage(stage.name, **stage.choices)


def _run(training: Training, number: int, optimiser: OptimWrapper, done: int) -> None:
    plan, stage = training.plan, training.plan.recipe.stages[number]
    lesson = Lesson(training.segmenter, stage, plan.vocabulary, plan.processes, training.request)
    loader = batches(
        stage,
        training.data,
        seed_of(plan.request.seed, _DATA, number),
        done,
        plan.processes,
        _workers(plan),
        plan.out,
        training.reporter,
    )
    title = f"{plan.name}, stage {number + 1} of {len(plan.recipe.stages)} ({stage.name})"
    with training.reporter.task(title, stage.iterations, done) as tick:
        hooks = _hooks(training, number, lesson, tick)
        runner = StageRunner(_wrapped(lesson, plan), loader, optimiser, hooks, done, stage.iterations)
        runner.train()


def _workers(plan: TrainPlan) -> int:
    """Without a graphics card, loading competes with training for the same cores."""
    if plan.request.workers is not None:
        return plan.request.workers
    return 4 if plan.device.type == "cuda" and not plan.dataset.card.embedded else 0


def _wrapped(lesson: Lesson, plan: TrainPlan) -> nn.Module:
    lesson.to(plan.device)
    if plan.processes.world == 1:
        return lesson
    on_card = plan.device.type == "cuda"
    # Buffers follow process 0, whose ones are saved: a training that goes on has the same everywhere.
    wrapped: nn.Module = MMDistributedDataParallel(
        module=lesson,
        device_ids=[plan.device.index] if on_card else None,
        broadcast_buffers=True,
        find_unused_parameters=True,
    )
    return wrapped


def _hooks(training: Training, number: int, lesson: Lesson, tick: Tick) -> list[Hook]:
    plan, stage = training.plan, training.plan.recipe.stages[number]
    hooks: list[Hook] = [BeforeStep(stage, number, plan.request.seed, plan.processes.rank, lesson)]
    if not plan.processes.leads:
        return [*hooks, KeepState(stage, number, lesson, None)]
    hooks.append(LogLosses(stage, number, training.log, training.reporter, tick))
    if plan.validation:
        hooks.append(Validate(plan.validation, number, lesson, training.log, training.reporter, plan.device))
    every = plan.request.save_every or _every(plan, SAVES, MOST_ITERATIONS_A_SAVE)

    def save(position: Position, optimiser: OptimWrapper) -> None:
        facts = {**training.facts, "log": training.log.pending}
        save_state(plan.out, position, training.segmenter, optimiser, facts)

    return [*hooks, KeepState(stage, number, lesson, Keeper(save, every))]


def _finish(training: Training) -> Path:
    """Write the final weights; the state is not needed any more."""
    plan, path = training.plan, training.plan.out / FINAL
    if plan.processes.leads:
        last = training.log.last_losses()
        done = {"iterations": sum(stage.iterations for stage in plan.recipe.stages), "losses": last}
        write_checkpoint(path, training.segmenter.state_dict(), {**training.facts, **done})
        for state in state_files(plan.out):
            remove_checkpoint(state)
    plan.processes.meet()
    return path
