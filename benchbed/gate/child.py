"""One child process that measures one source tree, on the other end of two pipes. Free of torch."""

from __future__ import annotations

import json
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from benchbed.cost.deadline import Deadline
from benchbed.errors import MeasurementError, UsageError

_TAIL: Final = 400  # characters of a child's stderr that stand in a message


class TreeError(Exception):
    """The measured tree raised; its first line and its traceback."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


class TimeUpError(MeasurementError):
    """A child did not answer before the gate's time was up: the machine gave it too little of a core."""


@dataclass
class Child:
    """A running child, which `benchbed.gate.nursery.Nursery` starts and ends.

    Attributes:
        name: what its tree is called in messages: "the working tree", "revision main".
        root: the tree's folder.
        requests, replies: its pipes.
        log: the file that its stderr goes to.
        ending: waits for its end and gives the exit code, or the negative signal that killed it.
        deadline: when it is reached, no reply is waited for any longer; None for ever.
    """

    name: str
    root: Path
    requests: IO[bytes] = field(repr=False)
    replies: IO[bytes] = field(repr=False)
    log: IO[bytes] = field(repr=False)
    ending: Callable[[], int] = field(repr=False)
    deadline: Deadline | None = None

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Send a request and wait for its reply.

        Raises:
            TreeError: the measured tree raised.
            TimeUpError: it did not answer in time.
            MeasurementError: the child, or its worker, is dead.
        """
        self.send(verb, **arguments)
        return self.reply()

    def send(self, verb: str, **arguments: Any) -> None:
        """Send a request; `reply` must follow before the next."""
        line = json.dumps({"do": verb, **arguments}).encode() + b"\n"
        try:
            self.requests.write(line)
            self.requests.flush()
        except BrokenPipeError as error:
            raise self._dead() from error

    def reply(self) -> Any:
        """The reply to the last request; raises as `ask`."""
        if self.deadline is not None and not self._answers_by(self.deadline):
            raise TimeUpError(
                f"the time was up before {self.name} had answered; give more with --seconds, or stop other work"
            )
        line = self.replies.readline()
        if not line.endswith(b"\n"):
            raise self._dead()
        content = json.loads(line)
        if "died" in content:
            raise MeasurementError(self._killed(-int(content["died"])))
        if "error" in content:
            raise TreeError(content["error"], content["traceback"])
        return content["ok"]

    def _answers_by(self, deadline: Deadline) -> bool:
        ready, _, _ = select.select([self.replies], [], [], max(0.0, deadline.left))
        return bool(ready)

    def say_goodbye(self) -> None:
        """No request will follow: it ends when it has answered the last one."""
        try:
            self.requests.close()
        except BrokenPipeError:  # what it never read
            return

    def close(self) -> None:
        """Close its pipes and its log; the process is gone by then."""
        self.say_goodbye()
        self.replies.close()
        self.log.close()

    def _dead(self) -> MeasurementError:
        return MeasurementError(self._killed(self.ending()))

    def _killed(self, code: int) -> str:
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        said = self._said() if code >= 0 else ""  # one that was killed had no last words
        return (
            f"the process that measured {self.name} ({self.root}) {how} while measuring"
            f"{f' (it said: {said})' if said else ''}; nothing is judged: free memory or stop what kills it, and run the "
            "same command again"
        )

    def _said(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
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
