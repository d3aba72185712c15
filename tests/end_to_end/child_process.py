"""A command line in a child process that has imported everything already: seconds quicker than a new one.

Children come from a fork server, which has imported the training but never trained: a process that has run autograd once cannot
be forked and train again.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from safetensors.torch import save_file
from training_plugin import register_for_good

from benchbed.cli import run_cli
from benchbed.training import engine

PATIENCE_S = 120
START_METHOD = "forkserver"
_SERVER = multiprocessing.get_context(START_METHOD)
_SERVER.set_forkserver_preload(["benchbed.training.engine", "benchbed.train_command"])


def in_child(environment: dict[str, str], *arguments: object, weights: Path | None = None) -> BaseProcess:
    """Start one; its exit code is the command's.

    Args:
        environment: variables for it.
        arguments: of `benchbed`.
        weights: where it leaves a training's last weights, whatever its rank.
    """
    child = _SERVER.Process(target=_body, args=(environment, [str(each) for each in arguments], weights))
    child.start()
    return child


def registered_cli(arguments: list[str]) -> int:
    """`benchbed ARGUMENTS` where the tests' method and dataset are registered."""
    register_for_good()
    return run_cli(arguments)


def ended(children: Sequence[BaseProcess]) -> list[int | None]:
    """Wait; exit codes, negative for signals, None for one that had to be stopped."""
    for child in children:
        child.join(PATIENCE_S)
    codes = [child.exitcode for child in children]
    for child in children:
        if child.is_alive():
            child.kill()
            child.join()
    return codes


def together(folder: Path, count: int, environment: dict[str, str], *arguments: object) -> list[int | None]:
    """The same command in `count` processes, with torchrun's variables; each leaves its weights in `folder/rankN.safetensors`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), **environment}
    children = [
        in_child(
            {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            *arguments,
            weights=folder / f"rank{rank}.safetensors",
        )
        for rank in range(count)
    ]
    return ended(children)


def _body(environment: dict[str, str], arguments: list[str], weights: Path | None) -> None:
    os.environ.update(environment)
    if weights:
        _leave(weights)
    raise SystemExit(registered_cli(arguments))


def _leave(path: Path) -> None:
    finish = engine._finish

    def leave(training: engine.Training) -> Path:
        state = training.segmenter.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, path)
        return finish(training)

    engine._finish = leave  # this process ends soon
