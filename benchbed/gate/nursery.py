"""The processes of a gate: one that imports the libraries, forked once for every tree that is measured. Free of torch.

Importing torch and its friends takes most of ten seconds of processor time, and both trees use the same installed libraries.
So they are imported once, before the fork. Both sides then also share the very pages that the libraries lie in, which makes them
more alike than two processes that imported for themselves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from benchbed.cost.deadline import Deadline
from benchbed.gate.child import Child

_INSTRUMENT: Final = Path(__file__).resolve().parent / "instrument" / "__main__.py"
# One thread, so that processor time and the clock on the wall tell the same story, and alike on both sides.
_CALM: Final = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "",
}

_GOODBYE_S: Final = 2.0  # for a call that has begun to end


@dataclass
class Nursery:
    """Starts as many children as there are trees; `close` ends them and whatever they forked.

    Attributes:
        trees: name for messages and folder, of each.
        patience_s: after so many seconds no answer is waited for any longer.
        children: one a tree, in order, waiting for requests.
    """

    trees: Sequence[tuple[str, Path]]
    patience_s: float
    children: list[Child] = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False, repr=False)
    _ended: dict[int, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        logs = [tempfile.TemporaryFile() for _ in self.trees]  # noqa: SIM115 - live as long as the children
        pipes = [(os.pipe(), os.pipe()) for _ in self.trees]
        theirs: list[dict[str, Any]] = [
            {"root": str(root), "requests": down[0], "replies": up[1], "log": log.fileno()}
            for (_, root), (down, up), log in zip(self.trees, pipes, logs, strict=True)
        ]
        kept = [each[name] for each in theirs for name in ("requests", "replies", "log")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_INSTRUMENT), json.dumps(theirs)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=logs[0],
            env={**os.environ, **_CALM},
            cwd=self.trees[0][1],
            pass_fds=kept,
            start_new_session=True,  # the gate ends it; a terminal's interrupt must not reach it first
        )
        self.children = []
        deadline = Deadline(self.patience_s)
        for place, ((name, root), (down, up), log) in enumerate(zip(self.trees, pipes, logs, strict=True)):
            os.close(down[0])
            os.close(up[1])
            self.children.append(
                self._child(
                    place, name, root, os.fdopen(down[1], "wb"), os.fdopen(up[0], "rb"), log, deadline
                )
            )

    def _child(
        self,
        place: int,
        name: str,
        root: Path,
        requests: IO[bytes],
        replies: IO[bytes],
        log: IO[bytes],
        deadline: Deadline,
    ) -> Child:
        ending = partial(self._ending, place)
        return Child(name, root, requests, replies, log, ending, deadline)

    def _ending(self, place: int) -> int:
        """A child's exit code, or the negative signal that killed it; of the first process, if that ended before it forked."""
        assert self._process.stdout is not None
        while place not in self._ended:
            line = self._process.stdout.readline()
            if not line:
                return self._process.wait()
            found = json.loads(line)
            self._ended[int(found["place"])] = int(found["code"])
        return self._ended[place]

    def close(self) -> None:
        """End all of it: by their own will where they listen, so that their processor time is accounted for; else killed."""
        for child in self.children:
            child.say_goodbye()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        for child in self.children:
            child.close()
