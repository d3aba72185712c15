"""`benchbed cost`: request -> measure -> one cost record -> tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchbed.cost.conditions import Conditions, check_count, parse_size, parse_sweeps
from benchbed.cost.largest_batch import parse_bytes
from benchbed.cost.request import CostRequest, contenders
from benchbed.cost.stopping import Stopping
from benchbed.cost_records import CostRecord, prepare, write_cost_record
from benchbed.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_PARTIAL, UsageError
from benchbed.progress import Reporter

if TYPE_CHECKING:
    from benchbed.cost_study import StudyOutcome

LONGEST_S: Final = 86_400.0


@dataclass(frozen=True)
class CostFlags:
    """The flags of `benchbed cost`, one field each."""

    methods: tuple[str, ...]
    size: str
    classes: int
    proposals: int | None
    batch: int
    sweeps: tuple[str, ...]
    protocol: str
    weights: str
    device: str
    precision: str
    compiled: bool
    channels_last: bool
    throughput: bool
    memory_budget: str | None
    seconds: float
    until: float
    out: Path
    as_json: bool


def cost_command(flags: CostFlags) -> int:
    """Do what the flags say; returns the exit code.

    Raises:
        BenchError: the flags make no sense, something is not there, or the record cannot be written.
    """
    request = read_request(flags)
    contenders(request)  # refuses what it can before torch is loaded
    logs = prepare(flags.out)
    reporter = Reporter()
    from benchbed.quiet import quiet_libraries

    with quiet_libraries():
        from benchbed.cost_study import run_study

        outcome = run_study(request, reporter, logs)
    path = write_cost_record(flags.out, outcome.record) if outcome.record else None
    _tell(outcome, path, flags.as_json)
    if path is not None:
        reporter.note(f"cost record: {path}")
    for failure in outcome.failures:
        reporter.note(f"failed: {failure.item}: {failure.message}")
    if outcome.interrupted and path is None:
        reporter.note("interrupted: nothing could be timed, so there is no record")
    elif outcome.interrupted:
        reporter.note(
            "interrupted: what was measured by then is in the record; the same command measures anew"
        )
    return exit_code(outcome)


def exit_code(outcome: StudyOutcome) -> int:
    """130 if interrupted; 0 if nothing failed; the failures' own code if they share one and nothing was timed; else 4."""
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if not outcome.failures:
        return EXIT_DONE
    codes = {failure.exit_code for failure in outcome.failures}
    return codes.pop() if outcome.record is None and len(codes) == 1 else EXIT_PARTIAL


def read_request(flags: CostFlags) -> CostRequest:
    """What the flags ask for.

    Raises:
        UsageError: a flag that cannot be read, or a number out of range.
    """
    size = parse_size(flags.size)
    proposals = None if flags.proposals is None else check_count("--proposals", "proposals", flags.proposals)
    return CostRequest(
        methods=flags.methods,
        conditions=Conditions(
            size,
            check_count("--classes", "classes", flags.classes),
            proposals,
            check_count("--batch", "batch", flags.batch),
        ),
        sweeps=parse_sweeps(flags.sweeps, size),
        protocol=flags.protocol,
        weights=flags.weights,
        device=flags.device,
        precisions=_precisions(flags.precision),
        compiled=flags.compiled,
        channels_last=flags.channels_last,
        throughput=flags.throughput,
        memory_budget=_bytes(flags.memory_budget),
        stopping=_stopping(flags),
    )


def _precisions(given: str) -> tuple[Any, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    if not found:
        raise UsageError(f"--precision {given!r} names nothing; leave the flag out for fp32")
    return found


def _bytes(given: str | None) -> int | None:
    if given is None:
        return None
    found = parse_bytes(given)
    if found is None:
        raise UsageError(f"--memory-budget {given}: expected an amount of memory, e.g. 8GiB or 512MiB")
    return found


def _stopping(flags: CostFlags) -> Stopping:
    if not 0 < flags.seconds <= LONGEST_S:
        raise UsageError(f"--seconds {flags.seconds:g}: expected more than 0 and at most {LONGEST_S:,.0f}")
    if not 0 <= flags.until < 100:
        raise UsageError(f"--until {flags.until:g}: expected a percentage from 0 (never) to below 100")
    return Stopping(until=flags.until / 100, seconds=flags.seconds)


def _tell(outcome: StudyOutcome, path: Path | None, as_json: bool) -> None:
    if as_json:
        content = {
            "record": None if outcome.record is None else summary(outcome.record, path),
            "failures": [{"item": each.item, "message": each.message} for each in outcome.failures],
        }
        print(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
    elif outcome.record is not None:
        from benchbed.report.console import print_tables
        from benchbed.report.cost_tables import cost_tables
        from benchbed.report.option_tables import option_tables
        from benchbed.report.sweep_tables import sweep_tables

        record = outcome.record
        print_tables([*cost_tables(record), *option_tables(record), *sweep_tables(record)])


def summary(record: CostRecord, path: Path | None) -> dict[str, Any]:
    """A cost record's derived numbers as plain data, for `--json`; the raw samples are in the file."""
    from benchbed.report.cost_summary import cost_summary

    return {"path": None if path is None else str(path), **cost_summary(record)}
