"""What happens around every iteration: seeds and learning rate before it; losses, validation and the state after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper

from benchbed.progress import Reporter, Tick
from benchbed.training.lesson import Lesson
from benchbed.training.loss_log import LossLog
from benchbed.training.recipe import Stage
from benchbed.training.schedules import rate_factor
from benchbed.training.seeds import seed_of, sow
from benchbed.training.state import Position
from benchbed.training.stopping import TrainingInterrupted
from benchbed.training.validation import Validation

_FIRST, _MIDDLE, _LAST = "VERY_HIGH", "NORMAL", "VERY_LOW"  # mmengine's priorities
LOSS_LINES: Final = 10  # shown in a stage


class BeforeStep(Hook):  # type: ignore[misc]
    """Makes an iteration a function of its number: its seeds, and the learning rate of each parameter group."""

    priority = _FIRST

    def __init__(self, stage: Stage, number: int, seed: int, rank: int, lesson: Lesson) -> None:
        self.stage, self.number, self.seed, self.rank, self.lesson = stage, number, seed, rank, lesson

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """mmengine's hook point."""
        self.lesson.iteration = batch_idx
        sow(seed_of(self.seed, self.number, batch_idx, self.rank))
        factor = rate_factor(self.stage.schedule, batch_idx, self.stage.iterations)
        for group in runner.optim_wrapper.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor


class LogLosses(Hook):  # type: ignore[misc]
    """Writes losses, and tells the person how it goes."""

    priority = _MIDDLE

    def __init__(self, stage: Stage, number: int, log: LossLog, reporter: Reporter, tick: Tick) -> None:
        self.stage, self.number, self.log, self.reporter, self.tick = stage, number, log, reporter, tick
        self._said = 0

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """mmengine's hook point."""
        done, last = batch_idx + 1, batch_idx + 1 == self.stage.iterations
        rate = self.stage.optimiser.lr * rate_factor(self.stage.schedule, batch_idx, self.stage.iterations)
        means = self.log.add(Position(self.number, done), outputs, rate, last)
        self.tick(done)
        part = done * LOSS_LINES // self.stage.iterations
        if means and (part > self._said or last):
            self._said = part
            self.reporter.note(f"{self.stage.name} {done}: loss {means['loss']:.4g}")


@dataclass(frozen=True)
class Keeper:
    """How a state is kept: `save` writes it, every so many iterations."""

    save: Callable[[Position, OptimWrapper], None]
    every: int


class Validate(Hook):  # type: ignore[misc]
    """Validates every so many iterations; process 0 alone does, the others wait for its next gradients."""

    priority = "LOW"

    def __init__(
        self,
        validation: Validation,
        number: int,
        lesson: Lesson,
        log: LossLog,
        reporter: Reporter,
        device: torch.device,
    ) -> None:
        self.validation, self.number, self.lesson = validation, number, lesson
        self.log, self.reporter, self.device = log, reporter, device

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """mmengine's hook point."""
        done = batch_idx + 1
        if done % self.validation.every and done != self.lesson.stage.iterations:
            return
        found = self.validation.measure(self.lesson.segmenter, self.device)
        self.log.note(Position(self.number, done), found)
        figures = ", ".join(f"{name} {_percent(found[name])}" for name in ("seen", "unseen", "hiou"))
        self.reporter.note(f"{self.lesson.stage.name} {done}: {figures} on {found['images']} images")


class KeepState(Hook):  # type: ignore[misc]
    """Keeps the state now and then, at the end of the stage, and when somebody asked to stop."""

    priority = _LAST

    def __init__(self, stage: Stage, number: int, lesson: Lesson, keeper: Keeper | None) -> None:
        self.stage, self.number, self.lesson, self.keeper = stage, number, lesson, keeper

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """mmengine's hook point.

        Raises:
            TrainingInterrupted: all processes agreed to stop.
        """
        done, stop = batch_idx + 1, self.lesson.stop_agreed
        position = Position(self.number, done)
        due = done == self.stage.iterations or (self.keeper is not None and done % self.keeper.every == 0)
        if self.keeper is not None and (due or stop):
            self.keeper.save(position, runner.optim_wrapper)
        if stop:
            self.lesson.processes.meet()  # a process that left early would make torchrun end the one that writes
            raise TrainingInterrupted(
                f"interrupted after iteration {done} of {self.stage.iterations} of stage {self.stage.name!r}; "
                "the state is kept: run the same command with --resume to go on"
            )


def _percent(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.1f}"
