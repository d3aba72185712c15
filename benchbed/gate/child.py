"""One child process that measures one source tree, on the other end of two pipes. Free of torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from benchbed.errors import MeasurementError, UsageError

_INSTRUMENT: Final = Path(__file__).resolve().parent / "instrument" / "__main__.py"
_TAIL: Final = 400  # characters of a child's stderr that stand in a message
# One thread, so that processor time and the clock on the wall tell the same story, and alike on both sides.
_CALM: Final = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "",
}


class TreeError(Exception):
    """The measured tree raised; its first line and its traceback."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


@dataclass
class Child:
    """A running child.

    Attributes:
        name: what its tree is called in messages: "the working tree", "revision main".
        root: the tree's folder.
    """

    name: str
    root: Path
    _process: subprocess.Popen[bytes] = field(init=False, repr=False)
    _log: IO[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_INSTRUMENT), str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_CALM},
            cwd=self.root,
            start_new_session=True,  # the gate ends it; a terminal's interrupt must not reach it first
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Send a request and wait for its reply.

        Raises:
            TreeError: the measured tree raised.
            MeasurementError: the child, or its worker, is dead.
        """
        self.send(verb, **arguments)
        return self.reply()

    def send(self, verb: str, **arguments: Any) -> None:
        """Send a request; `reply` must follow before the next."""
        line = json.dumps({"do": verb, **arguments}).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._dead() from error

    def reply(self) -> Any:
        """The reply to the last request; raises as `ask`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._dead()
        content = json.loads(line)
        if "died" in content:
            raise MeasurementError(self._killed(-int(content["died"])))
        if "error" in content:
            raise TreeError(content["error"], content["traceback"])
        return content["ok"]

    def close(self) -> None:
        """End it and whatever it forked."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # what it never read
                    continue

    def _dead(self) -> MeasurementError:
        return MeasurementError(self._killed(self._process.wait()))

    def _killed(self, code: int) -> str:
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        said = self._said() if code >= 0 else ""  # one that was killed had no last words
        return (
            f"the process that measured {self.name} ({self.root}) {how} while measuring"
            f"{f' (it said: {said})' if said else ''}; nothing is judged: free memory or stop what kills it, and run the "
            "same command again"
        )

    def _said(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " ".join(lines[-2:])[-_TAIL:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def start_import(child: Child) -> None:
    """Let a child begin to import its tree; `finish_import` must follow."""
    child.send("import")


def finish_import(child: Child) -> dict[str, Any]:
    """Wait until the tree is imported.

    Raises:
        UsageError: it does not import, or `benchbed` comes from elsewhere.
    """
    try:
        found: dict[str, Any] = child.reply()
    except TreeError as error:
        raise UsageError(
            f"{child.name} ({child.root}) does not import: {error}; give a revision that `python -c 'import benchbed, methods'` "
            "works in, or mend it"
        ) from error
    if not Path(found["benchbed"]).is_relative_to(child.root.resolve()):
        raise UsageError(
            f"{child.name}: {child.root} holds no package benchbed (Python found {found['benchbed']}), so nothing of it would be "
            "measured; run in a checkout of benchbed, or give it with --repository"
        )
    return found
