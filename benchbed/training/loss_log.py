"""`losses.jsonl`: mean losses of every few iterations and what validation found, one line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchbed.errors import StoreError
from benchbed.record_store import write_whole
from benchbed.training.checkpoint import cannot_write
from benchbed.training.state import Position

FILE: Final = "losses.jsonl"


class LossLog:
    """Adds up losses and writes their means.

    What was added since the last line is part of the state (`pending`), so that a training that goes on writes the same lines.

    Args:
        folder: where the file lies.
        every: iterations a line.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.path = folder / FILE
        self.every = every
        self._sums: dict[str, float] = {}
        self._count = 0

    def start(self, position: Position | None, pending: Mapping[str, Any] | None = None) -> None:
        """Forget every line after `position`, or all of them.

        Raises:
            StoreError: the file cannot be written.
        """
        kept = (
            []
            if position is None
            else [row for row in read_log(self.path) if _place(row) <= (position.stage, position.done)]
        )
        self._sums, self._count = dict((pending or {}).get("sums", {})), int((pending or {}).get("count", 0))
        try:
            write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        except OSError as error:
            raise StoreError(cannot_write(self.path, error)) from error

    @property
    def pending(self) -> dict[str, Any]:
        """What was added since the last line."""
        return {"sums": dict(self._sums), "count": self._count}

    def add(
        self, position: Position, losses: Mapping[str, float], rate: float, last: bool
    ) -> dict[str, float] | None:
        """Add one iteration's losses; returns the means where a line was due.

        Args:
            position: `done` includes this iteration.
            losses: by name.
            rate: the learning rate of the recipe's optimiser in this iteration.
            last: of its stage, so that a line is due.
        """
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if position.done % self.every and not last:
            return None
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._write({"stage": position.stage, "iteration": position.done, "rate": rate, "losses": means})
        return means

    def note(self, position: Position, validation: Mapping[str, Any]) -> None:
        """Write what a validation found."""
        self._write({"stage": position.stage, "iteration": position.done, "validation": dict(validation)})

    def last_losses(self) -> dict[str, float]:
        """The means of the last line written; empty before the first."""
        lines = [row["losses"] for row in read_log(self.path) if "losses" in row]
        return dict(lines[-1]) if lines else {}

    def _write(self, row: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
        except OSError as error:
            raise StoreError(cannot_write(self.path, error)) from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a line cut off in the middle and what follows is dropped."""
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not line.endswith("\n") or not isinstance(row, dict):
            break
        rows.append(row)
    return rows


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return row["stage"], row["iteration"]
