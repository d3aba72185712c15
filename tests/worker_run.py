"""`benchbed run` by several workers, as torchrun would start them, in child processes that have imported everything.

`import worker_run`. Children come from a fork server, as in `light_run.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from faulty_method import register_for_good

from benchbed import counting_pass
from benchbed.cli import run_cli

PATIENCE_S: Final = 240
START_METHOD: Final = "forkserver"
DIES: Final = "WORKER_DIES"  # "RANK:IMAGES": that worker is killed when it counts the image after so many
_SERVER = multiprocessing.get_context(START_METHOD)
_SERVER.set_forkserver_preload(["benchbed.runner", "benchbed.run_command", "faulty_method", "worker_run"])


def together(
    count: int, logs: Path, *arguments: object, environment: Mapping[str, str] | None = None
) -> list[int | None]:
    """`benchbed run ARGUMENTS` by `count` workers; exit codes by rank, negative for signals, None for one that hung.

    What worker N prints goes to `logs/N.out` and `logs/N.err`, after what was there before.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    logs.mkdir(parents=True, exist_ok=True)
    children = []
    for rank in range(count):
        own = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank), **(environment or {})}
        flags = ["run", *map(str, arguments), "--device", "cpu"]
        children.append(_SERVER.Process(target=_body, args=(flags, own, str(logs / str(rank)))))
    for child in children:
        child.start()
    return [_ended(child) for child in children]


def _ended(child: BaseProcess) -> int | None:
    child.join(PATIENCE_S)
    code = child.exitcode
    if code is None:
        child.kill()
        child.join()
    return code


def _body(flags: list[str], environment: dict[str, str], log: str) -> None:
    os.environ.update(environment, BENCHBED_CACHE="off")
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    raise SystemExit(cli(flags))


def cli(flags: list[str]) -> int:
    """`benchbed FLAGS` where the tests' method is registered, with few timing rounds; dies where it was told to."""
    register_for_good()
    from benchbed import cost_pass

    cost_pass.MOST_ROUNDS = cost_pass.LEAST_ROUNDS  # type: ignore[misc]
    rank, _, images = os.environ.get(DIES, "").partition(":")
    if rank == os.environ.get("RANK"):
        _die_after(int(images))
    code = run_cli(flags)
    sys.stdout.flush()
    return code


def _die_after(images: int) -> None:
    count = counting_pass.count_image
    counted: list[str] = []

    def deadly(*arguments: Any, **named: Any) -> Any:
        if len(counted) == images:
            os.kill(os.getpid(), signal.SIGKILL)
        counted.append(named["image_id"])
        return count(*arguments, **named)

    counting_pass.count_image = deadly
