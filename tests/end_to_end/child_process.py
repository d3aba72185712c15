"""A command line in a forked child of this process, which has imported everything already: seconds quicker than a new one."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from safetensors.torch import save_file

from benchbed.cli import run_cli
from benchbed.training import engine

PATIENCE_S = 120


def in_child(
    environment: dict[str, str], *arguments: object, before: Callable[[], None] | None = None
) -> BaseProcess:
    """Start one; its exit code is the command's."""

    def body() -> None:
        os.environ.update(environment)
        if before:
            before()
        raise SystemExit(run_cli([str(argument) for argument in arguments]))

    child = multiprocessing.get_context("fork").Process(target=body)
    child.start()
    return child


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
            before=_leaving(folder / f"rank{rank}"),
        )
        for rank in range(count)
    ]
    return ended(children)


def _leaving(path: Path) -> Callable[[], None]:
    def patch() -> None:
        finish = engine._finish

        def leave(training: engine.Training) -> Path:
            save_file(training.segmenter.state_dict(), path.with_suffix(".safetensors"))
            return finish(training)

        engine._finish = leave  # this process ends soon

    return patch
