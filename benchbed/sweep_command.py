"""`benchbed sweep`: methods x datasets -> jobs -> records, watched to their end or left running."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, StoreError, UsageError
from benchbed.journal import locked
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.records import Record
from benchbed.report.summary import summary
from benchbed.sweep.executor import Resources, make_executor
from benchbed.sweep.item import SweepItem, sweep_items
from benchbed.sweep.ledger import Ledger
from benchbed.sweep.watching import Watch


@dataclass(frozen=True)
class SweepFlags:
    """The flags of `benchbed sweep`.

    Attributes:
        shared: values of those that `benchbed run` has too, by name.
        passed_on: those of them that differ from their defaults, as words of a command line; without `--weights`.
        at_once: jobs at a time; None for the executor's own number.
        again: measure also what is finished.
    """

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    executor: str
    resources: Resources
    at_once: int | None
    out: Path
    again: bool
    dry_run: bool
    as_json: bool
    shared: Mapping[str, Any]
    passed_on: tuple[str, ...]


def sweep_command(flags: SweepFlags) -> int:
    """Do what the flags say; returns the exit code: 4 where a job failed.

    Raises:
        BenchError: the plan cannot be made, jobs cannot be submitted, or another sweep is at work in the folder.
    """
    from benchbed.quiet import quiet_libraries

    reporter, ledger = Reporter(), Ledger(flags.out.absolute())
    with quiet_libraries():
        items = sweep_items(flags.methods, flags.datasets, flags.shared, flags.passed_on, reporter)
    done = {} if flags.again else _finished(items, ledger)
    waiting = deque(item for item in items if item.key not in done)
    if flags.dry_run:
        _show(items, done, ledger, flags)
        return EXIT_DONE
    failures = _work(flags, ledger, waiting, reporter) if waiting else []
    _tell(items, set(done), failures, ledger, flags, reporter)
    return EXIT_PARTIAL if failures else EXIT_DONE


def _finished(items: list[SweepItem], ledger: Ledger) -> dict[str, list[tuple[Record, Path]]]:
    found = {item.key: ledger.finished(item) for item in items}
    return {key: records for key, records in found.items() if records}


def _work(
    flags: SweepFlags, ledger: Ledger, waiting: deque[SweepItem], reporter: Reporter
) -> list[tuple[str, str]]:
    RecordStore(ledger.out).prepare()
    ledger.prepare()
    executor = make_executor(flags.executor, str(ledger.logs), flags.resources, flags.at_once)
    lock = _alone(ledger)
    watch = Watch(ledger, executor, reporter, waiting)
    try:
        watch.to_the_end()
    except KeyboardInterrupt:
        for line in watch.farewell():
            reporter.note(line)
        raise
    finally:
        os.close(lock)
    return watch.failures


def _alone(ledger: Ledger) -> int:
    """Own the folder: two sweeps would submit the same jobs."""
    path = ledger.folder / "lock"
    try:
        lock = locked(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be made ({error.strerror}); give another folder with --out"
        ) from error
    if lock is None:
        raise UsageError(
            f"--out {ledger.out}: another sweep is at work there; wait for it or give another folder"
        )
    return lock


def _tell(
    items: list[SweepItem],
    before: set[str],
    failures: list[tuple[str, str]],
    ledger: Ledger,
    flags: SweepFlags,
    reporter: Reporter,
) -> None:
    records = [pair for item in items for pair in ledger.finished(item) or []]
    if before:
        reporter.note(f"{len(before)} of {len(items)} were finished before (--again measures them anew)")
    if flags.as_json:
        content = {
            "records": [{"path": str(path), **summary(record)} for record, path in records],
            "failures": [{"item": item, "message": message} for item, message in failures],
            "finished_before": sorted(item.name for item in items if item.key in before),
        }
        print(json.dumps(content, indent=1, ensure_ascii=False))
    elif records:
        from benchbed.report.console import print_tables
        from benchbed.report.run_tables import run_tables

        print_tables(run_tables([record for record, _ in records]))
    for item, message in failures:
        reporter.note(f"failed: {item}: {message}")


def _show(items: list[SweepItem], done: Mapping[str, object], ledger: Ledger, flags: SweepFlags) -> None:
    rows = [
        {
            "item": item.name,
            "finished": item.key in done,
            "command": ["benchbed", *item.arguments, "--out", str(ledger.out)],
        }
        for item in items
    ]
    if flags.as_json:
        print(json.dumps({"jobs": rows, "executor": flags.executor}, indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(f"{'finished' if row['finished'] else 'to do   '}  {' '.join(row['command'])}")  # type: ignore[arg-type]
