"""The child: imports once, then forks a worker for each epoch, so that every epoch meets the machine's memory anew.

Two processes that run the same code differ by a percent or two for as long as they live, by where their pages happen to
lie. A fork that builds its methods anew draws that again, without the ten seconds of an import.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any, Final

from .wire import Wire

_LONGEST: Final = 4000  # characters of a traceback that the gate is told


def serve(root: Path, requests: int, replies: int) -> None:
    """Answer for the tree at `root` until the gate goes: `import`, and `fork`, after which the fork answers until its `end`.

    A reply is `{"ok": ...}`, or `{"error": sentence, "traceback": text}` where the measured tree raised.
    """
    wire = Wire(requests, replies)
    while (request := wire.read()) is not None:
        if request["do"] == "fork":
            _fork(wire)
        else:
            wire.write(_answered(request, {"import": lambda: _import(root)}))


def _answered(request: dict[str, Any], verbs: dict[str, Any]) -> dict[str, Any]:
    arguments = {name: value for name, value in request.items() if name != "do"}
    try:
        return {"ok": verbs[request["do"]](**arguments)}
    except Exception as error:  # whatever the measured tree raises is the gate's to judge, not this child's
        first = (str(error).splitlines() or [""])[0]
        return {
            "error": f"{type(error).__name__}: {first}",
            "traceback": traceback.format_exc()[-_LONGEST:],
        }


def _import(root: Path) -> dict[str, Any]:
    from .tree import import_tree

    return import_tree(root)


def _fork(wire: Wire) -> None:
    """Run one worker to its end; one that dies of a signal is reported in its place."""
    worker = os.fork()
    if worker == 0:
        status = 1
        try:
            status = _work(wire)
        finally:
            os._exit(status)
    _, status = os.waitpid(worker, 0)
    if os.WIFSIGNALED(status):
        wire.write({"died": os.WTERMSIG(status)})
    elif os.WEXITSTATUS(status):
        wire.write({"died": -os.WEXITSTATUS(status)})


def _work(wire: Wire) -> int:
    from .worker import Worker

    worker = Worker()
    wire.write({"ok": os.getpid()})
    while (request := wire.read()) is not None:
        if request["do"] == "end":
            wire.write({"ok": None})
            return 0
        wire.write(_answered(request, worker.verbs))
    return 0
