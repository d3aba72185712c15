"""What a training needs to go on: weights and the optimiser's tensors, and in the JSON how far it is.

Generators need no state: every iteration sets its own seeds (`benchbed.training.seeds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from benchbed.errors import CheckpointError
from benchbed.training.checkpoint import FACTS, TENSORS, read_checkpoint, remove_checkpoint, write_checkpoint

PREFIX: Final = "state-"
MODEL: Final = "model/"
OPTIMISER: Final = "optimiser/"


@dataclass(frozen=True)
class Position:
    """How far a training is: `done` iterations of stage number `stage` (from 0)."""

    stage: int
    done: int

    @property
    def file(self) -> str:
        """The state's file name; names sort by progress."""
        return f"{PREFIX}{self.stage:02d}-{self.done:08d}{TENSORS}"


@dataclass(frozen=True)
class State:
    """A state that was read back.

    Attributes:
        model: by the segmenter's names.
        optimiser: by `parameter name/entry`.
        facts: the JSON's content.
    """

    position: Position
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    facts: dict[str, Any]


def save_state(
    folder: Path, position: Position, model: nn.Module, optimiser: OptimWrapper, facts: dict[str, Any]
) -> None:
    """Write the state, and only when it is whole remove the ones before it.

    Raises:
        StoreError: no room; the state before is still there.
    """
    tensors = {MODEL + name: value for name, value in model.state_dict().items()}
    tensors |= {OPTIMISER + name: value for name, value in optimiser_tensors(optimiser.optimizer).items()}
    own = {"stage": position.stage, "done": position.done, "loss_scaler": _scaler(optimiser)}
    written = write_checkpoint(folder / position.file, tensors, {**facts, "state": own})
    for path in state_files(folder):
        if path != written:
            remove_checkpoint(path)
    for orphan in set(folder.glob(f"{PREFIX}*{TENSORS}")) - {written}:
        orphan.unlink(missing_ok=True)


def state_files(folder: Path) -> list[Path]:
    """The states in a folder, newest first."""
    return sorted((path.with_suffix(TENSORS) for path in folder.glob(f"{PREFIX}*{FACTS}")), reverse=True)


def newest_state(folder: Path) -> State | None:
    """The newest whole state, or None where there is none at all.

    Raises:
        CheckpointError: there are some, but all are damaged.
    """
    problem: CheckpointError | None = None
    for path in state_files(folder):
        try:
            return _read(path)
        except CheckpointError as error:
            problem = problem or error
    if problem is not None:
        raise CheckpointError(f"{problem}; remove the folder and train again")
    return None


def _read(path: Path) -> State:
    tensors, facts = read_checkpoint(path)
    return State(
        Position(facts["state"]["stage"], facts["state"]["done"]),
        {name.removeprefix(MODEL): value for name, value in tensors.items() if name.startswith(MODEL)},
        {
            name.removeprefix(OPTIMISER): value
            for name, value in tensors.items()
            if name.startswith(OPTIMISER)
        },
        facts,
    )


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory by `parameter name/entry`."""
    return {
        f"{name}/{entry}": value
        for group in optimiser.param_groups
        for name, parameter in zip(group["names"], group["params"], strict=True)
        for entry, value in optimiser.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: OptimWrapper, state: State) -> None:
    """Put a state's optimiser memory back.

    Raises:
        CheckpointError: it is of other parameters.
    """
    torch_optimiser = optimiser.optimizer
    names = [name for group in torch_optimiser.param_groups for name in group["names"]]
    numbers = {name: number for number, name in enumerate(names)}
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in state.optimiser.items():
        name, _, entry = key.rpartition("/")
        if name not in numbers:
            raise CheckpointError(
                f"the state remembers {name}, which is not trained here; it is of other code: train again"
            )
        entries.setdefault(numbers[name], {})[entry] = value
    content = torch_optimiser.state_dict()
    torch_optimiser.load_state_dict({**content, "state": entries})
    scaler = getattr(optimiser, "loss_scaler", None)
    if scaler is not None and state.facts["state"]["loss_scaler"]:
        scaler.load_state_dict(state.facts["state"]["loss_scaler"])


def _scaler(optimiser: OptimWrapper) -> dict[str, Any] | None:
    scaler = getattr(optimiser, "loss_scaler", None)
    return None if scaler is None else dict(scaler.state_dict())
