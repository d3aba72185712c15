"""`benchbed run` in a child process that has imported everything, on a few tiny files: quick to start and to kill.

`import light_run`. Children come from a fork server, as in `end_to_end/child_process.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from faulty_method import register_for_good

from benchbed.cli import run_cli
from benchbed.metrics import Counts
from benchbed.record_store import RecordStore

PATIENCE_S: Final = 240
METHODS: Final = "faulty/none,faulty/other"
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["benchbed.runner", "benchbed.run_command", "faulty_method", "light_run"])


def start(out: Path, log: Path, *arguments: object, cache: Path | None = None) -> BaseProcess:
    """Begin `benchbed run ARGUMENTS --out OUT`; what it prints goes to `log`, decoded ground truth to `cache` (None: nowhere)."""
    flags = ["run", *map(str, arguments), "--out", str(out)]
    child = _SERVER.Process(target=_body, args=(flags, str(log), str(cache or "off")))
    child.start()
    return child


def ended(child: BaseProcess) -> int | None:
    """Wait; the exit code, negative for a signal, None for one that hung and had to be stopped."""
    child.join(PATIENCE_S)
    code = child.exitcode
    if code is None:
        child.kill()
        child.join()
    return code


def run(out: Path, log: Path, *arguments: object, cache: Path | None = None) -> int | None:
    """Begin and wait."""
    return ended(start(out, log, *arguments, cache=cache))


def counts_by_label(store: Path) -> dict[str, list[Counts | None]]:
    """The counts of every record, by `method/variant`.

    Raises:
        AssertionError: a file of the store is torn or foreign.
    """
    records, skipped = RecordStore(store).read_all()
    assert skipped == [], skipped
    found: dict[str, list[Counts | None]] = {}
    for record in records:
        found.setdefault(record.label, []).append(record.counts)
    return found


def journalled(store: Path) -> dict[str, int]:
    """Whole lines of each journal: images that a next run need not count again."""
    return {path.name: path.read_bytes().count(b"\n") for path in (store / "partial").glob("*.jsonl")}


def _body(flags: list[str], log: str, cache: str) -> None:
    os.environ["BENCHBED_CACHE"] = cache
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    register_for_good()
    from benchbed import cost_pass

    cost_pass.MOST_ROUNDS = cost_pass.LEAST_ROUNDS  # type: ignore[misc]
    raise SystemExit(run_cli(flags))
